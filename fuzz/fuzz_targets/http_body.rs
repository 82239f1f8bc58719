#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kitaru_fuzz_properties::check("http_body", data));
