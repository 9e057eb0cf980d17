//! Signatures of requests: Amazon's and Azure's, from their specifications, sharing nothing with the program's library.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{digest, hmac};

use super::Keys;

/// A moment, as signatures write it.
struct Moment {
    year: u64,
    month: u64,
    day: u64,
    weekday: usize,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Moment {
    #[expect(clippy::disallowed_methods, reason = "a signature is of its moment")]
    fn now() -> Result<Self> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        // days since 0000-03-01, in cycles of 400 years
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Ok(Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: of_year - (153 * shifted_month + 2) / 5 + 1,
            // 1970-01-01 was a Thursday
            weekday: usize::try_from((days + 4) % 7)?,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
        })
    }

    /// `20261123T030405Z`
    fn basic(&self) -> String {
        format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        )
    }

    /// `Mon, 23 Nov 2026 03:04:05 GMT`
    fn of_mail(&self) -> String {
        let weekday = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][self.weekday];
        let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
        let at = usize::try_from(self.month - 1).unwrap_or(0) * 3;
        format!(
            "{weekday}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
            self.day,
            &months[at..at + 3],
            self.year,
            self.hour,
            self.minute,
            self.second
        )
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref().iter();
    bytes.fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()))
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// Headers that sign a request to Amazon's `service` in us-east-1; `query` as it stands in the target.
pub(super) fn amazon(
    keys: &Keys,
    service: &str,
    host: &str,
    (method, path, query): (&str, &str, &str),
    body: &str,
) -> Result<Vec<(String, String)>> {
    let time = Moment::now()?.basic();
    let day = &time[..8];
    let hash = sha256(body);
    let names = "host;x-amz-content-sha256;x-amz-date";
    let canonical = format!(
        "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{time}\n\n{names}\n{hash}"
    );
    let scope = format!("{day}/us-east-1/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(&canonical));
    let first = mac(format!("AWS4{}", keys.secret).as_bytes(), day);
    let region = mac(first.as_ref(), "us-east-1");
    let of_service = mac(region.as_ref(), service);
    let signing = mac(of_service.as_ref(), "aws4_request");
    let signature = hex(mac(signing.as_ref(), &text));
    let id = &keys.id;
    Ok(vec![
        ("x-amz-date".to_owned(), time),
        ("x-amz-content-sha256".to_owned(), hash),
        (
            "Authorization".to_owned(),
            format!(
                "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
            ),
        ),
    ])
}

/// Headers that sign the making of a container.
pub(super) fn azure_container(
    account: &str,
    key: &str,
    container: &str,
) -> Result<Vec<(String, String)>> {
    let time = Moment::now()?.of_mail();
    let version = "2021-12-02";
    let empty = "\n".repeat(11);
    // with the account in the path, as emulators have it, it stands there twice
    let text = format!(
        "PUT{empty}\nx-ms-date:{time}\nx-ms-version:{version}\n/{account}/{account}/{container}\nrestype:container"
    );
    let signature = STANDARD.encode(mac(&STANDARD.decode(key)?, &text));
    Ok(vec![
        ("x-ms-date".to_owned(), time),
        ("x-ms-version".to_owned(), version.to_owned()),
        (
            "Authorization".to_owned(),
            format!("SharedKey {account}:{signature}"),
        ),
    ])
}
