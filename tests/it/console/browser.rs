//! The console in headless Chromium: three widths, light and dark, the keyboard, no script, nothing hostile obeyed.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::webdriver::Browser;
use super::{DEMO, HOSTILE_PAGES, demo, hostile, hostile_lab, incident, wishes};
use crate::harness::{Home, skip};
use crate::http::Serving;

const WIDTHS: [u32; 3] = [360, 800, 1440];

/// Pages of the day of arrayref.
const INCIDENT: [(&str, &str); 6] = [
    ("incident-past", "/crates/arrayref?at=2026-08-20T07:20"),
    ("incident-overview", "/?until=2026-08-25"),
    ("incident-changes", "/changes?from=2026-08-20T07:00&to=2026-08-20T10:00"),
    ("incident-crate", "/crates/arrayref"),
    ("incident-diff", "/crates/arrayref/diff?from=0.3.9&to=0.3.10"),
    ("incident-dependents", "/crates/proc-macro1/dependents?at=2026-08-20T07:20&transitive=yes"),
];

/// A browser, or one line that says why there is none.
fn browser() -> Option<Browser> {
    let browser = Browser::start();
    if browser.is_none() {
        assert!(!wishes().1, "CI needs a browser: apt-get install chromium chromium-driver");
        skip("no chromedriver: apt-get install chromium chromium-driver");
    }
    browser
}

/// What must be true of every page, as one answer.
const SURVEY: &str = "(() => {
  const all = selector => [...document.querySelectorAll(selector)];
  const ids = all('[id]').map(one => one.id);
  return {
    title: document.title, h1: all('h1').length, overflow: document.documentElement.scrollWidth - innerWidth,
    landmarks: ['header', 'main', 'footer', 'nav[aria-label=\"Main\"]', '[role=search]'].filter(one => !document.querySelector(one)),
    scripts: all('script, [onclick], [onerror], [onload], [style], style, iframe, img, object, embed').length,
    foreign: performance.getEntriesByType('resource').map(one => one.name).filter(one => !one.startsWith(location.origin)),
    unlabelled: all('input, select').filter(one => !one.labels.length).length,
    headless: all('table').filter(one => !one.querySelector('thead th[scope=col]') || !one.caption).length,
    bare: all('tbody tr').filter(one => !one.querySelector('th[scope=row]')).length,
    twice: ids.filter((id, at) => ids.indexOf(id) !== at),
    nameless: all('a').filter(one => !one.textContent.trim()).length,
    policy: window.violations || 0, styled: !!document.querySelector('main') && getComputedStyle(document.querySelector('main')).maxWidth !== 'none',
  };
})()";

/// The text with least contrast against what is behind it (WCAG 2, 1.4.3): every visible text of the page is measured.
const CONTRAST: &str = "(() => {
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length === 3 ? [...n, 1] : n; };
  const light = ([r, g, b]) => { const f = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const behind = element => { for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor); if (colour[3] === 1) return colour; }
    return parse(getComputedStyle(document.documentElement).colorScheme.includes('dark') ? 'rgb(0,0,0)' : 'rgb(255,255,255)'); };
  let worst = { ratio: 21, text: '' }, measured = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || !element.getClientRects().length || element.closest('svg, option')) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    measured++;
    if (ratio < worst.ratio) worst = { ratio, text: text.slice(0, 60), tag: element.outerHTML.slice(0, 120) };
  }
  return { ...worst, measured };
})()";

#[test]
fn the_measures_measure() {
    let Some(browser) = browser() else { return };
    browser.resize(360);
    let bad = "<title>x</title><body style='background:#fff'><h1>a</h1><h1 id=a>b</h1><p id=a style='color:#777'>grey on white</p>\
               <div style='width:999px'>wide</div><script>1</script><a href='/x'></a><input>";
    browser.open(&format!("data:text/html,{}", bad.replace('#', "%23").replace(' ', "%20")));
    let survey = browser.ask(SURVEY);
    for (what, expected) in [("h1", 2), ("scripts", 4), ("unlabelled", 1), ("nameless", 1)] {
        assert_eq!(survey[what], json!(expected), "{what}: {survey}");
    }
    assert!(survey["overflow"].as_i64().unwrap() > 600, "{survey}");
    assert_eq!((&survey["twice"], &survey["landmarks"][0]), (&json!(["a"]), &json!("header")));
    // WebAIM's well-known pair: #777 on white has a ratio of 4.48 and fails by a hair.
    let contrast = browser.ask(CONTRAST);
    let ratio = contrast["ratio"].as_f64().unwrap();
    assert!((4.47..4.49).contains(&ratio), "{contrast}");
}

fn examine(browser: &Browser, origin: &str, name: &str, path: &str, pictures: Option<&Path>) {
    for width in WIDTHS {
        browser.resize(width);
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            browser.open(&format!("http://{origin}{path}"));
            let here = format!("{path} at {width}, {scheme}");
            is_sound(&browser.ask(SURVEY), &here);
            let contrast = browser.ask(CONTRAST);
            assert!(contrast["measured"].as_u64().unwrap() > 20, "{here}: {contrast}");
            assert!(contrast["ratio"].as_f64().unwrap() >= 4.5, "{here}: {contrast}");
            assert_eq!(browser.complaints(), [""; 0], "{here}");
            if let Some(folder) = pictures {
                let file = folder.join(format!("{name}-{width}-{scheme}.png"));
                std::fs::write(file, decoded(&browser.picture(width))).unwrap();
            }
        }
    }
}

fn is_sound(survey: &Value, here: &str) {
    assert!(survey["title"].as_str().unwrap().ends_with(" · Provenance"), "{here}: {survey}");
    assert!(survey["overflow"].as_i64().unwrap() <= 0, "{here} scrolls sideways: {survey}");
    for (what, expected) in [
        ("h1", json!(1)),
        ("landmarks", json!([])),
        ("scripts", json!(0)),
        ("foreign", json!([])),
        ("unlabelled", json!(0)),
        ("headless", json!(0)),
        ("bare", json!(0)),
        ("twice", json!([])),
        ("nameless", json!(0)),
        ("policy", json!(0)),
        ("styled", json!(true)),
    ] {
        assert_eq!(survey[what], expected, "{here}: {what}");
    }
}

/// base64 (RFC 4648) through the system's own decoder.
fn decoded(base64: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut decoder = Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = decoder.stdin.take().unwrap();
    let text = base64.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let output = decoder.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

fn folder() -> Option<std::path::PathBuf> {
    let folder = wishes().0?;
    std::fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

#[test]
fn every_page_of_the_demo_is_sound_at_every_width_light_and_dark() {
    let Some(browser) = browser() else { return };
    let home = Home::new();
    let serving = demo(&home);
    let folder = folder();
    for (number, (path, heading)) in DEMO.into_iter().enumerate() {
        let name: String = heading.chars().filter(|one| one.is_ascii_alphanumeric() || *one == '-').collect();
        examine(&browser, &serving.address, &format!("{number:02}-{name}"), path, folder.as_deref());
    }
}

#[test]
fn every_page_of_the_incident_is_sound_at_every_width_light_and_dark() {
    let Some(browser) = browser() else { return };
    let home = incident();
    let serving = Serving::start(&home, &["serve"]);
    let folder = folder();
    for (name, path) in INCIDENT {
        examine(&browser, &serving.address, name, path, folder.as_deref());
    }
    // Twice the bars that the table has rows with a number other than zero would be a chart that lies.
    browser.open(&format!("http://{}/?until=2026-08-25", serving.address));
    let bars = browser.ask("document.querySelectorAll('#happened ~ .chart rect:not(.none)').length");
    let cells = browser
        .ask("[...document.querySelectorAll('#happened ~ details td')].filter(one => one.textContent !== '0').length");
    assert!(bars.as_u64().unwrap() > 4 && bars == cells, "{bars} bars, {cells} numbers");
}

/// What must be true of a page on paper: only the answer, black on white, nothing cut, nothing folded away.
const PAPER: &str = "(() => {
  const all = selector => [...document.querySelectorAll(selector)];
  const edge = document.querySelector('main').getBoundingClientRect().right + 1;
  return {
    controls: all('nav, form, footer, .act').filter(one => one.checkVisibility()).map(one => one.outerHTML.slice(0, 80)),
    cut: all('main *').filter(one => one.checkVisibility() && one.getBoundingClientRect().right > edge && !one.closest('svg'))
      .map(one => one.outerHTML.slice(0, 120)),
    folded: all('details:not(.act) > :not(summary)').filter(one => !one.checkVisibility({ contentVisibilityAuto: true })).length,
    paper: getComputedStyle(document.body).backgroundColor,
  };
})()";

#[test]
fn every_page_of_the_demo_can_be_printed() {
    let Some(browser) = browser() else { return };
    let home = Home::new();
    let serving = demo(&home);
    // A4 within margins of a centimetre, at 96 dots an inch, for somebody who prefers the dark.
    browser.resize(718);
    let dark = json!([{ "name": "prefers-color-scheme", "value": "dark" }]);
    browser.devtools("Emulation.setEmulatedMedia", &json!({ "media": "print", "features": dark }));
    for (path, _) in DEMO {
        browser.open(&format!("http://{}{path}", serving.address));
        let paper = browser.ask(PAPER);
        for (what, expected) in
            [("controls", json!([])), ("cut", json!([])), ("folded", json!(0)), ("paper", json!("rgb(255, 255, 255)"))]
        {
            assert_eq!(paper[what], expected, "{path}: {what}");
        }
        let contrast = browser.ask(CONTRAST);
        assert!(contrast["ratio"].as_f64().unwrap() >= 4.5, "{path}: {contrast}");
    }
}

#[test]
fn hostile_texts_do_nothing_in_a_browser() {
    let Some(browser) = browser() else { return };
    let home = hostile();
    let lab = hostile_lab(&home);
    let folder = folder();
    // Whatever would run says so.
    let trap = "window.alert = () => { window.obeyed = true }; addEventListener('securitypolicyviolation', () => { window.violations = (window.violations || 0) + 1 })";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": trap }));
    for (number, path) in HOSTILE_PAGES.into_iter().enumerate() {
        examine(&browser, &lab.address, &format!("hostile-{number:02}"), path, folder.as_deref());
        assert_eq!(browser.ask("window.obeyed === undefined"), json!(true), "{path}");
        let turned = browser.ask("document.body.innerText.includes('\\u202e') || document.title.includes('\\u202e')");
        assert_eq!(turned, json!(false), "{path}");
        let scripts =
            browser.ask("[...document.querySelectorAll('a')].filter(one => !/^https?:$/.test(one.protocol)).length");
        assert_eq!(scripts, json!(0), "{path}");
    }
}

#[test]
fn the_keyboard_reaches_everything_and_no_script_is_needed() {
    let Some(browser) = browser() else { return };
    let home = Home::new();
    let serving = demo(&home);
    browser.resize(1440);
    browser.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    browser.open(&format!("http://{}/", serving.address));
    let focused = || browser.ask("document.activeElement.textContent.trim() || document.activeElement.name || ''");
    let ring = || {
        browser.ask("getComputedStyle(document.activeElement).outlineStyle !== 'none' && document.activeElement.getBoundingClientRect().left >= 0")
    };
    for expected in
        ["Skip to content", "Provenance", "Overview", "Search", "Advisories", "Changes", "Jobs", "About", "q", "Find"]
    {
        browser.press("Tab");
        assert_eq!((focused(), ring()), (json!(expected), json!(true)));
    }
    // The skip link leads past all of that.
    browser.open(&format!("http://{}/advisories", serving.address));
    browser.press("Tab");
    browser.press("Enter");
    browser.press("Tab");
    let inside = browser.ask("document.querySelector('main').contains(document.activeElement)");
    assert_eq!((inside, browser.ask("location.hash")), (json!(true), json!("#main")));
    // A search, typed and sent.
    browser.open(&format!("http://{}/", serving.address));
    for _ in 0..9 {
        browser.press("Tab");
    }
    for letter in ["t", "w", "i", "n", "s"] {
        browser.press(letter);
    }
    browser.press("Enter");
    // The next command waits for the page that the form led to.
    until(&browser, "location.pathname + location.search", "/search?q=twins");
    assert_eq!(browser.ask("document.querySelector('main table a').textContent"), json!("demo-twins"));
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Waits until an expression has a value. Each question is a turn of the browser.
fn until(browser: &Browser, expression: &str, value: &str) {
    let begin = std::time::Instant::now();
    while browser.ask(expression) != json!(value) || browser.ask("document.readyState") != json!("complete") {
        assert!(begin.elapsed().as_secs() < 30, "{expression} is {}", browser.ask(expression));
    }
}

#[test]
fn what_is_away_is_a_page_in_a_browser_too() {
    let Some(browser) = browser() else { return };
    let home = hostile();
    let options = serve::ServeOptions { look: std::time::Duration::ZERO, ..serve::ServeOptions::default() };
    let lab = crate::serve::lab::Lab::new(&home, options);
    lab.store.take_away(true);
    browser.resize(800);
    browser.open(&format!("http://{}/", lab.address));
    assert_eq!(browser.ask("document.querySelector('h1').textContent"), json!("No answer just now"));
    is_sound(&browser.ask(SURVEY), "away");
    if let Some(folder) = folder() {
        std::fs::write(folder.join("away-800-light.png"), decoded(&browser.picture(800))).unwrap();
    }
}
