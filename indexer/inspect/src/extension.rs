//! Extension headers before an entry: pax records and GNU long names, with every way in which they can lie.

use schema::{Finding, FindingCode};
use serde_json::json;

use crate::facts::{medium, shown};

/// What the extension headers before one entry say of it.
#[derive(Default)]
pub(crate) struct Extensions {
    pub(crate) pax: Option<Pax>,
    pub(crate) long_name: Option<Vec<u8>>,
    pub(crate) long_link: Option<Vec<u8>>,
}

/// The pax records that matter here; the first of a key counts, as for cargo's reader, and a second one is a finding.
#[derive(Default)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) sparse: bool,
}

impl Extensions {
    pub(crate) fn is_empty(&self) -> bool {
        self.pax.is_none() && self.long_name.is_none() && self.long_link.is_none()
    }

    /// Takes the content of an extension header of type `x`, `L` or `K`.
    pub(crate) fn add(&mut self, type_byte: u8, content: Vec<u8>, notes: &mut Vec<Finding>) {
        let again = match type_byte {
            b'x' => self.pax.replace(parse_pax(&content, notes)).is_some(),
            b'L' => self.long_name.replace(until_nul(content, notes)).is_some(),
            _ => self.long_link.replace(until_nul(content, notes)).is_some(),
        };
        if again {
            notes.push(malformed("two in a row", &[type_byte]));
        }
    }

    /// The path, when an extension gives it: GNU before pax, as in cargo's reader.
    pub(crate) fn take_path(&mut self, notes: &mut Vec<Finding>) -> Option<Vec<u8>> {
        let of_pax = self.pax.as_mut().and_then(|pax| pax.path.take());
        choose(self.long_name.take(), of_pax, notes)
    }

    /// The link target, when an extension gives it.
    pub(crate) fn take_link(&mut self, notes: &mut Vec<Finding>) -> Option<Vec<u8>> {
        let of_pax = self.pax.as_mut().and_then(|pax| pax.link.take());
        choose(self.long_link.take(), of_pax, notes)
    }
}

pub(crate) fn malformed(what: &str, evidence: &[u8]) -> Finding {
    let evidence = shown(&String::from_utf8_lossy(evidence));
    medium(FindingCode::ExtensionMalformed, json!({ "what": what, "evidence": evidence }))
}

fn choose(gnu: Option<Vec<u8>>, pax: Option<Vec<u8>>, notes: &mut Vec<Finding>) -> Option<Vec<u8>> {
    if let (Some(gnu), Some(pax)) = (&gnu, &pax)
        && gnu != pax
    {
        notes.push(malformed("conflicting: GNU and pax", pax));
    }
    gnu.or(pax)
}

/// A GNU long name ends in one NUL; bytes behind it are hidden.
fn until_nul(mut content: Vec<u8>, notes: &mut Vec<Finding>) -> Vec<u8> {
    if let Some(at) = content.iter().position(|byte| *byte == 0) {
        if content[at..].iter().any(|byte| *byte != 0) {
            notes.push(malformed("bytes behind the NUL", &content[at..]));
        }
        content.truncate(at);
    }
    if content.is_empty() {
        notes.push(malformed("empty", &[]));
    }
    content
}

fn parse_pax(mut content: &[u8], notes: &mut Vec<Finding>) -> Pax {
    let mut pax = Pax::default();
    while !content.is_empty() {
        let Some((key, value, rest)) = split_record(content) else {
            notes.push(malformed("pax record", content));
            break;
        };
        content = rest;
        let again = match key {
            b"path" => set_first(&mut pax.path, value.to_vec()),
            b"linkpath" => set_first(&mut pax.link, value.to_vec()),
            b"size" => {
                if let Some(size) = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok()) {
                    set_first(&mut pax.size, size)
                } else {
                    notes.push(malformed("pax size", value));
                    false
                }
            }
            _ => {
                pax.sparse |= key.starts_with(b"GNU.sparse");
                false
            }
        };
        if again {
            notes.push(malformed("conflicting: one key twice", key));
        }
    }
    pax
}

/// Sets what is unset; says whether it was set before.
fn set_first<T>(slot: &mut Option<T>, value: T) -> bool {
    let again = slot.is_some();
    slot.get_or_insert(value);
    again
}

/// One `length key=value\n`: key, value and what follows.
fn split_record(content: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = content.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&content[..space]).ok()?.parse().ok()?;
    if length <= space + 1 || length > content.len() {
        return None;
    }
    let (record, rest) = content.split_at(length);
    let body = record[space + 1..].strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], rest))
}
