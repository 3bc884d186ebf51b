//! Repository links as anybody may write them.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| checks::address(text));
