//! What `--sslargs` says besides which certificates are good: settings of Perl's
//! IO::Socket::SSL.

use mailferry_imap::tls::{Fingerprint, Version};

/// Settings of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates that alone are good.
    pub fingerprints: Vec<Fingerprint>,
    /// Certificates of authorities, PEM.
    pub authorities: Option<Vec<u8>>,
    /// The client certificate, PEM.
    pub certificate: Option<Vec<u8>>,
    /// Its key, PEM.
    pub key: Option<Vec<u8>>,
    /// The server's name in TLS.
    pub name: Option<String>,
    /// The oldest version that is spoken.
    pub oldest: Version,
}

/// What became of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    Taken,
    NoEffect(&'static str),
    Refused(String),
}

impl TlsSettings {
    pub(super) fn read(&mut self, name: &str, value: &str) -> Setting {
        match name {
            "SSL_fingerprint" => self.read_fingerprint(value),
            "SSL_ca_file" => into(&mut self.authorities, value),
            "SSL_cert_file" => into(&mut self.certificate, value),
            "SSL_key_file" => into(&mut self.key, value),
            "SSL_hostname" | "SSL_verifycn_name" => {
                self.name = Some(value.to_owned());
                Setting::Taken
            }
            "SSL_version" if matches!(value, "TLSv1_3" | "TLSv13") => {
                self.oldest = Version::Tls13;
                Setting::Taken
            }
            "SSL_version" => Setting::NoEffect("TLS 1.2 and 1.3 with safe ciphers"),
            _ => Setting::Refused("this setting of TLS is not in this version".to_owned()),
        }
    }

    /// `sha256$` and hexadecimal digits; `sha256:` will do, too, as the errors show it.
    fn read_fingerprint(&mut self, value: &str) -> Setting {
        let text = value.strip_prefix("sha256$").unwrap_or(value);
        match Fingerprint::parse(text) {
            Some(fingerprint) => {
                self.fingerprints.push(fingerprint);
                Setting::Taken
            }
            None => Setting::Refused(
                "it is no SHA-256 fingerprint: `sha256$` and 64 hexadecimal digits".to_owned(),
            ),
        }
    }
}

fn into(place: &mut Option<Vec<u8>>, path: &str) -> Setting {
    match std::fs::read(path) {
        Ok(octets) => {
            *place = Some(octets);
            Setting::Taken
        }
        Err(error) => Setting::Refused(format!("the file cannot be read: {error}")),
    }
}
