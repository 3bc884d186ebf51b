//! verify from outside, on repositories and archives built in the test: what is honest is verified, what lies is not.

mod adversarial;
mod formats;
mod history;
mod lab;
