//! Answers about advisories as OSV, OpenVEX, SARIF and CSV. Pure: nothing is asked, matched or read here.
#![doc = include_str!("../README.md")]

mod csv;
mod openvex;
mod osv;
mod package;
mod report;
mod sarif;

pub use csv::{csv_cell, csv_row};
pub use openvex::openvex;
pub use osv::osv;
pub use package::{PackageAdvisory, VersionState, package_osv};
pub use report::{AffectedRelease, Interval, Report, ReportedAdvisory, WayOut, plain_address};
pub use sarif::sarif;
