//! What `deploy/` names exists: metrics in what the program gives, alerts in the runbook, flags in what it understands.

use std::collections::BTreeSet;
use std::path::Path;

use crate::harness::Home;

fn deploy(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The words of a text that begin with `provenance_` and are names of metrics.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("provenance_")).map(str::to_owned).collect()
}

#[test]
fn every_metric_that_is_watched_is_named_where_metrics_are_made() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../serve/src/metrics.rs");
    let made = metrics(&std::fs::read_to_string(folder).unwrap());
    assert!(made.len() > 10, "{made:?}");
    for file in ["prometheus/alerts.yaml", "grafana/dashboard.json"] {
        let watched = metrics(&deploy(file));
        assert!(watched.len() > 5, "{file}: {watched:?}");
        for metric in watched {
            let metric = metric.strip_suffix("_bucket").unwrap_or(&metric);
            assert!(made.contains(metric), "{file} watches {metric}, which nobody makes");
        }
    }
}

#[test]
fn every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() {
    let (rules, runbook) = (deploy("prometheus/alerts.yaml"), deploy("RUNBOOK.md"));
    let alerts: BTreeSet<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let sections = runbook.split("\n## ").skip(1);
    let mut explained = BTreeSet::new();
    for section in sections.filter(|section| section.starts_with("Provenance")) {
        let (name, text) = section.split_once('\n').unwrap();
        for part in ["*Meaning.*", "*First look.*", "*Fix.*"] {
            assert!(text.contains(part), "{name} lacks {part}");
        }
        explained.insert(name);
    }
    assert_eq!(alerts, explained);
}

/// Every line that starts the program, as it stands in units, manifests and the compose file: its command and its long flags.
fn started() -> Vec<Vec<String>> {
    let units = ["provenance-run.service", "provenance-work@.service", "provenance-serve.service"];
    let of_units = units.map(|unit| deploy(&format!("systemd/{unit}")));
    let of_units = of_units
        .iter()
        .flat_map(|unit| unit.lines())
        .filter_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/provenance ").map(str::to_owned));
    let others = [deploy("compose.yaml"), deploy("kubernetes/provenance.yaml")];
    let of_others = others.iter().flat_map(|text| text.lines()).filter_map(|line| {
        let line = line.trim();
        let list = line.strip_prefix("command: [").or_else(|| line.strip_prefix("args: ["))?;
        Some(list.strip_suffix(']')?.replace([',', '"'], " "))
    });
    of_units.chain(of_others).map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn every_command_that_is_started_is_one_and_every_flag_too() {
    let started = started();
    assert!(started.len() > 9, "{started:?}");
    let home = Home::new();
    for words in started {
        let (command, flags) = words.split_first().unwrap();
        let help = home.run(&[command, "--help"]);
        assert_eq!(help.code, Some(0), "{command}: {}", help.stderr);
        for flag in flags.iter().filter(|word| word.starts_with("--")) {
            assert!(help.stdout.contains(flag.as_str()), "{command} has no {flag}");
        }
    }
}

#[test]
fn every_variable_that_is_set_is_read() {
    let help = Home::new().run(&["run", "--help"]).stdout;
    for file in ["compose.yaml", "kubernetes/provenance.yaml", "systemd/environment.example", "Dockerfile"] {
        let text = deploy(file);
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        for variable in words.filter(|word| word.starts_with("PROVENANCE_")) {
            assert!(help.contains(variable), "{file} sets {variable}, which nobody reads");
        }
    }
}
