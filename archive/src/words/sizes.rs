//! Numbers as people read and write them.

use std::{fmt, str::FromStr, time::Duration};

use super::ParseError;

/// A number of bytes: printed `1.5 GB` (powers of 1000), read as `128MiB`, `1.5 GB` or `4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// `n` × 2²⁰ bytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = scaled(self.0, &["B", "kB", "MB", "GB", "TB", "PB"]);
        f.pad(&format!("{value} {unit}"))
    }
}

impl FromStr for ByteSize {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("size (such as 64MiB or 1.5GB)", text);
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1_000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "t" | "tb" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(error()),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(Self).ok_or_else(error);
        }
        let value = number.parse::<f64>().map_err(|_| error())? * factor as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked"
        )]
        if (0.0..1e18).contains(&value) {
            Ok(Self(value.round() as u64))
        } else {
            Err(error())
        }
    }
}

/// A count for people: `950`, `118.4 k`, `9.2 G`.
#[derive(Clone, Copy, Debug)]
pub struct HumanCount(pub u64);

impl fmt::Display for HumanCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = scaled(self.0, &["", "k", "M", "G", "T", "P"]);
        f.pad(format!("{value} {unit}").trim_end())
    }
}

fn scaled<'u>(number: u64, units: &[&'u str]) -> (String, &'u str) {
    let mut value = number as f64;
    let mut at = 0;
    while value >= 999.5 && at + 1 < units.len() {
        value /= 1_000.0;
        at += 1;
    }
    let text = match at {
        0 => number.to_string(),
        _ if value < 9.995 => format!("{value:.2}"),
        _ if value < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    (text, units[at])
}

/// A length of time as it is written in settings: `30s`, `2m`, `1h 30m`, `14d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeSpan(pub Duration);

impl TimeSpan {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&humantime::format_duration(self.0).to_string())
    }
}

impl FromStr for TimeSpan {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let span = humantime::parse_duration(text);
        span.map(Self)
            .map_err(|_| ParseError::new("length of time (such as 30s, 2m or 14d)", text))
    }
}

/// A duration for people: `0.8 s`, `1 m 54 s`, `2 h 05 m`, `3 d 4 h`.
#[derive(Clone, Copy, Debug)]
pub struct HumanDuration(pub Duration);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let text = match seconds {
            0..=9 => format!("{:.1} s", self.0.as_secs_f64()),
            10..=59 => format!("{seconds} s"),
            60..=3_599 => format!("{} m {:02} s", seconds / 60, seconds % 60),
            3_600..=86_399 => format!("{} h {:02} m", seconds / 3_600, seconds % 3_600 / 60),
            _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_they_are_written() {
        assert_eq!("64MiB".parse(), Ok(ByteSize(64 << 20)));
        assert_eq!("1.5 GB".parse(), Ok(ByteSize(1_500_000_000)));
        assert_eq!("4096".parse(), Ok(ByteSize(4096)));
        for bad in ["", "MiB", "12 parsecs", "-1", "99999999999TiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }

    #[test]
    fn lengths_of_time_read_as_they_are_written() {
        for (text, seconds) in [
            ("30s", 30),
            ("2m", 120),
            ("1h 30m", 5_400),
            ("14d", 1_209_600),
        ] {
            let span: TimeSpan = text.parse().unwrap();
            assert_eq!(span, TimeSpan::seconds(seconds), "{text}");
            assert_eq!(span.to_string().parse(), Ok(span));
        }
        // a number alone says nothing of its unit
        for bad in ["", "5", "s", "-1s", "1 parsec"] {
            assert!(bad.parse::<TimeSpan>().is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_print_for_people() {
        assert_eq!(ByteSize(999).to_string(), "999 B");
        assert_eq!(ByteSize(1_500_000_000).to_string(), "1.50 GB");
        assert_eq!(HumanCount(118_400_000).to_string(), "118 M");
        assert_eq!(HumanCount(950).to_string(), "950");
        assert_eq!(
            HumanDuration(Duration::from_secs(114)).to_string(),
            "1 m 54 s"
        );
        assert_eq!(
            HumanDuration(Duration::from_millis(800)).to_string(),
            "0.8 s"
        );
    }
}
