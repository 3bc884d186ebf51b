//! Archives: the bytes are taken as they are, and as a tar that is packed first, so that the fuzzer need not learn gzip.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::archive(bytes);
    if let Ok(packed) = fixtures::crate_file::gzip(bytes) {
        checks::archive(&packed);
    }
});
