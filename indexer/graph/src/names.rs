//! Crate names by number. A name stays once it was seen: a dependency may name a crate that does not exist (any more).

use std::collections::HashMap;
use std::sync::Arc;

use schema::CanonicalName;

/// The names seen, numbered from 0.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Arc<CanonicalName>, u32>,
    names: Vec<Arc<CanonicalName>>,
}

impl Names {
    pub(crate) fn number(&self, name: &CanonicalName) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The number of a name, a new one where it has none.
    pub(crate) fn intern(&mut self, name: &CanonicalName) -> u32 {
        if let Some(number) = self.number(name) {
            return number;
        }
        let number = position(self.names.len());
        let name = Arc::new(name.clone());
        self.numbers.insert(Arc::clone(&name), number);
        self.names.push(name);
        number
    }

    pub(crate) fn name(&self, number: u32) -> &CanonicalName {
        &self.names[index(number)]
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let texts: usize = self.names.iter().map(|name| name.as_str().len()).sum();
        // The two counters of an Arc stand beside its value; a hash table keeps one byte more per place.
        let shared = self.names.len() * (size_of::<CanonicalName>() + 2 * size_of::<usize>());
        let table = self.numbers.capacity() * (size_of::<(Arc<CanonicalName>, u32)>() + 1);
        texts + shared + table + self.names.capacity() * size_of::<Arc<CanonicalName>>()
    }
}

/// A position as it is kept. There are fewer than 2³² of anything here; beyond that the last number stands for the rest.
pub(crate) fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// A kept position as an index.
pub(crate) const fn index(position: u32) -> usize {
    position as usize
}
