//! Lines of the index.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| checks::index_line(text));
