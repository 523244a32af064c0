//! Selects the root certificates that AWS endpoints chain to.
//!
//! Loading a system's store costs more than everything else in a function's start, and parsing all public
//! roots is not free either: five of them are enough.

use std::fmt::Write as _;
use std::{env, fs, path::Path};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Subjects by their common names. They stand in the DER as plain text.
const ROOTS: [&str; 5] = [
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut pem = String::new();
    for name in ROOTS {
        let der = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .find(|der| der.windows(name.len()).any(|window| window == name.as_bytes()))
            .unwrap_or_else(|| panic!("no public root is called {name}"));
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(der).as_bytes().chunks(64) {
            writeln!(pem, "{}", String::from_utf8_lossy(line)).expect("writing to a string");
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("aws-roots.pem"), pem).expect("OUT_DIR is writable");
}
