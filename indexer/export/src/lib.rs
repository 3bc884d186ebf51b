//! Answers in the forms of others: OSV, OpenVEX, SARIF, CSV, in-toto, badges, static files. Pure: nothing is asked or read here.
#![doc = include_str!("../README.md")]

mod badge;
mod csv;
mod dsse;
mod krate;
mod layout;
mod openvex;
mod osv;
mod package;
mod report;
mod sarif;
mod statement;
#[cfg(test)]
mod testing;

pub use badge::{badge_svg, shields};
pub use csv::{csv_cell, csv_row};
pub use dsse::{EnvelopeError, KeyError, PublicKey, SigningKey, envelope, opened};
pub use krate::{default_version, krate_document, krate_summary};
pub use layout::{ExportedFile, INDEX, shard};
pub use openvex::openvex;
pub use osv::osv;
pub use package::{PackageAdvisory, VersionState, package_osv};
pub use report::{AffectedRelease, Interval, Report, ReportedAdvisory, WayOut, plain_address};
pub use sarif::sarif;
pub use statement::{SIMPLE_VERIFICATION_RESULT, SOURCE_CORRESPONDENCE, statements};
