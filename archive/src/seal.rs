//! Sealing: what is sealed to age recipients (X25519) can be read by the holder of an identity and by nobody else, whoever
//! sealed it included. `age -d` opens it.

use std::{
    fmt,
    io::{self, Read, Write},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use zeroize::Zeroizing;

mod opened;

pub use opened::{
    CHUNK_BYTES, DamagedAt, HEAD_BYTES, HeaderError, OpenedHeader, PlainReader, SealedTo,
};

/// More would not fit into [`HEAD_BYTES`] of a header.
pub const MOST_RECIPIENTS: usize = 100;

/// Somebody who may open what is sealed: `age1…`, a public key.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(age::x25519::Recipient);

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let text = text.trim();
        // the commonest mistake, and the worst: it must not end up in an error
        if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
            return Err(RecipientError::Identity);
        }
        text.parse()
            .map(Self)
            .map_err(|_| RecipientError::Malformed {
                text: text.to_owned(),
            })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no recipient.
#[derive(Debug, thiserror::Error)]
pub enum RecipientError {
    /// It is the private half.
    #[error(
        "this is an identity, which opens what is sealed: keep it away from here, and give the recipient that belongs to it (age1…)"
    )]
    Identity,
    /// It is nothing known.
    #[error("{text:?} is not an age recipient (age1…, as age-keygen prints it)")]
    Malformed {
        /// The text.
        text: String,
    },
}

/// What opens what is sealed: the private halves in a file of `age-keygen`.
pub struct Identities(Vec<age::x25519::Identity>);

impl Identities {
    /// Reads the lines of an identity file; `#` begins a comment.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let mut identities = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity = line.parse();
            identities.push(identity.map_err(|_| IdentityError::Line { line: at + 1 })?);
        }
        if identities.is_empty() {
            return Err(IdentityError::None);
        }
        Ok(Self(identities))
    }

    /// These, and those.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The public halves.
    pub fn recipients(&self) -> Vec<Recipient> {
        let identities = self.0.iter();
        identities
            .map(|identity| Recipient(identity.to_public()))
            .collect()
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} identities", self.0.len())
    }
}

/// A text that is no identity file. Never shows what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A line is none.
    #[error("line {line} is not an age identity (AGE-SECRET-KEY-1…, as age-keygen writes it)")]
    Line {
        /// Which, from 1.
        line: usize,
    },
    /// There is none.
    #[error("there is no age identity in it (AGE-SECRET-KEY-1…, as age-keygen writes it)")]
    None,
}

/// Seals `plain` to each of these recipients.
pub fn seal(recipients: &[Recipient], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut sealer = Sealer::new(recipients)?;
    let mut sealed = sealer.push(plain)?;
    sealed.extend(sealer.finish()?);
    Ok(sealed)
}

/// Seals what is handed over piece by piece; holds 64 KiB of it at most.
pub struct Sealer {
    writer: age::stream::StreamWriter<Outlet>,
    outlet: Outlet,
}

impl Sealer {
    /// Begins; the header comes with the first piece.
    pub fn new(recipients: &[Recipient]) -> Result<Self, SealError> {
        if recipients.len() > MOST_RECIPIENTS {
            return Err(SealError::TooMany {
                recipients: recipients.len(),
            });
        }
        let recipients = recipients.iter();
        let recipients = recipients.map(|recipient| &recipient.0 as &dyn age::Recipient);
        let encryptor =
            age::Encryptor::with_recipients(recipients).map_err(|error| match error {
                age::EncryptError::MissingRecipients => SealError::NoRecipients,
                other => SealError::Seal(io::Error::other(other)),
            })?;
        let outlet = Outlet::default();
        let writer = encryptor.wrap_output(outlet.clone())?;
        Ok(Self { writer, outlet })
    }

    /// Takes the next piece; what is sealed so far.
    pub fn push(&mut self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.writer.write_all(plain)?;
        Ok(self.outlet.take())
    }

    /// The end of what is sealed: without it nothing of the last piece can be opened.
    pub fn finish(self) -> Result<Vec<u8>, SealError> {
        Ok(self.writer.finish()?.take())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

/// Where age writes to, and we take it from: its writer keeps the other end to itself.
#[derive(Clone, Default)]
struct Outlet(Arc<Mutex<Vec<u8>>>);

impl Outlet {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sealed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sealed.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens what [`seal`] or `age -r` makes.
pub fn open(identities: &Identities, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let decryptor = age::Decryptor::new_buffered(sealed).map_err(OpenError::of)?;
    let identities = identities.0.iter();
    let identities = identities.map(|identity| identity as &dyn age::Identity);
    let mut reader = decryptor.decrypt(identities).map_err(OpenError::of)?;
    // as much as there can be: a vector that grows leaves copies behind
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader
        .read_to_end(&mut plain)
        .map_err(|_| OpenError::Damaged)?;
    Ok(plain)
}

/// Why something can't be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Nobody could open it.
    #[error("there is no recipient to seal it to")]
    NoRecipients,
    /// Its header would be too large.
    #[error("{recipients} recipients are more than {MOST_RECIPIENTS}")]
    TooMany {
        /// How many.
        recipients: usize,
    },
    /// It failed.
    #[error("can't seal: {0}")]
    Seal(#[from] io::Error),
}

/// Why something sealed can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is sealed to others.
    #[error("it is sealed to other recipients than this identity's")]
    OtherRecipient,
    /// Its bytes are not what was sealed.
    #[error("it is damaged")]
    Damaged,
}

impl OpenError {
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    fn of(error: age::DecryptError) -> Self {
        match error {
            age::DecryptError::NoMatchingKeys => Self::OtherRecipient,
            _ => Self::Damaged,
        }
    }
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;

    fn pair() -> (Recipient, Identities, String) {
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public().to_string().parse().unwrap();
        let text = identity.to_string().expose_secret().to_owned();
        let file = format!("# created: today\n# public key: age1\n{text}\n");
        (recipient, Identities::parse(&file).unwrap(), text)
    }

    #[test]
    fn each_recipient_opens_what_is_sealed_and_nobody_else() {
        let ((one, one_identity, _), (two, two_identity, _)) = (pair(), pair());
        let sealed = seal(&[one, two], b"plain words").unwrap();
        assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
        assert!(!sealed.windows(5).any(|window| window == b"plain"));
        for identity in [one_identity, two_identity] {
            assert_eq!(open(&identity, &sealed).unwrap().as_slice(), b"plain words");
        }
        let (_, stranger, _) = pair();
        assert_eq!(
            open(&stranger, &sealed).unwrap_err(),
            OpenError::OtherRecipient
        );
        assert!(matches!(seal(&[], b"x"), Err(SealError::NoRecipients)));
    }

    #[test]
    fn every_flipped_byte_of_what_is_sealed_is_found() {
        let (recipient, identity, _) = pair();
        let sealed = seal(&[recipient], b"plain words").unwrap();
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(open(&identity, &damaged).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(
                open(&identity, &sealed[..length]).is_err(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn an_identity_is_never_shown_wherever_it_is_put() {
        let (_, identities, text) = pair();
        let error = text.parse::<Recipient>().unwrap_err();
        assert!(!error.to_string().contains(&text[20..]), "{error}");
        let cut = &text[..text.len() - 1];
        let error = Identities::parse(&format!("\n{cut}")).unwrap_err();
        assert_eq!(error, IdentityError::Line { line: 2 });
        assert!(!format!("{error} {identities:?}").contains(&text[20..]));
        assert_eq!(
            Identities::parse("# nothing\n").unwrap_err(),
            IdentityError::None
        );
    }
}
