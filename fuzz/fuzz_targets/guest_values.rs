#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kitaru_fuzz_properties::check("guest_values", data));
