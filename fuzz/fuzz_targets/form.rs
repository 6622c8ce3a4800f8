#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| httpoll_fuzz::form::check(data));
