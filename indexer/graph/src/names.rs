//! Crate names by number. A name stays once it was seen: a dependency may name a crate that does not exist (any more).

use std::collections::HashMap;

use schema::CanonicalName;

/// The names seen, numbered from 0.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<CanonicalName, u32>,
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
        let number = position(self.numbers.len());
        self.numbers.insert(name.clone(), number);
        number
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// A hash table keeps one byte more per place.
    pub(crate) fn size_bytes(&self) -> usize {
        let texts: usize = self.numbers.keys().map(|name| name.as_str().len()).sum();
        texts + self.numbers.capacity() * (size_of::<(CanonicalName, u32)>() + 1)
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
