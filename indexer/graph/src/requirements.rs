//! Version requirements by number: millions of dependencies share some ten thousand texts.

use std::collections::HashMap;
use std::sync::Arc;

use semver::{Version, VersionReq};

use crate::names::{index, position};

/// The requirements seen, numbered from 0, each parsed once.
#[derive(Debug, Default)]
pub(crate) struct Requirements {
    numbers: HashMap<Arc<str>, u32>,
    requirements: Vec<Requirement>,
}

/// One requirement; `parsed` is `None` where it is none that cargo reads today.
#[derive(Debug)]
pub(crate) struct Requirement {
    pub(crate) text: Arc<str>,
    pub(crate) parsed: Option<VersionReq>,
}

impl Requirements {
    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = position(self.requirements.len());
        let text: Arc<str> = Arc::from(text);
        self.numbers.insert(Arc::clone(&text), number);
        self.requirements.push(Requirement { parsed: VersionReq::parse(&text).ok(), text });
        number
    }

    pub(crate) fn get(&self, number: u32) -> &Requirement {
        &self.requirements[index(number)]
    }

    pub(crate) fn n_unreadable(&self) -> usize {
        self.requirements.iter().filter(|requirement| requirement.parsed.is_none()).count()
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let held = |requirement: &Requirement| {
            let comparators = requirement.parsed.as_ref().map_or(0, |parsed| parsed.comparators.capacity());
            requirement.text.len() + 2 * size_of::<usize>() + comparators * size_of::<semver::Comparator>()
        };
        let table = self.numbers.capacity() * (size_of::<(Arc<str>, u32)>() + 1);
        let entries = self.requirements.capacity() * size_of::<Requirement>();
        table + entries + self.requirements.iter().map(held).sum::<usize>()
    }
}

impl Requirement {
    pub(crate) fn allows(&self, version: &Version) -> bool {
        self.parsed.as_ref().is_some_and(|parsed| parsed.matches(version))
    }
}
