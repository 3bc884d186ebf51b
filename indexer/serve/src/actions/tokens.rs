//! The text of a token: its number and a secret. Only the secret's sha256 is kept.

use schema::{Random, Secret, Sha256};
use sha2::Digest as _;

/// What every token begins with, so that it is recognised where it should not be.
const MARK: &str = "prv_";
/// Random bytes of a secret.
const LENGTH: usize = 32;

/// A token that is being made.
pub struct NewToken {
    secret: [u8; LENGTH],
}

/// A token as somebody shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenText {
    /// Its number.
    pub id: i64,
    digest: Sha256,
}

impl NewToken {
    /// Makes a secret. `None`: there is no chance to be had.
    #[must_use]
    pub fn make(random: &dyn Random) -> Option<Self> {
        let mut secret = [0; LENGTH];
        random.fill(&mut secret).then_some(Self { secret })
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        digest_of(&hex::encode(self.secret))
    }

    /// What is shown, once.
    #[must_use]
    pub fn text(&self, id: i64) -> Secret {
        Secret::new(format!("{MARK}{id}_{}", hex::encode(self.secret)))
    }
}

impl TokenText {
    /// Reads a token; `None`: it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(MARK)?.split_once('_')?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let id = id.bytes().all(|byte| byte.is_ascii_digit()).then(|| id.parse().ok())??;
        (secret.len() == 2 * LENGTH && secret.bytes().all(is_hex)).then(|| Self { id, digest: digest_of(secret) })
    }

    /// Whether its secret is the one that is kept, found out in the same time whatever it is.
    #[must_use]
    pub fn is(&self, kept: &Sha256) -> bool {
        let pairs = self.digest.as_bytes().iter().zip(kept.as_bytes());
        let differs = pairs.fold(0, |differs, (ours, theirs)| std::hint::black_box(differs | (ours ^ theirs)));
        differs == 0
    }
}

fn digest_of(secret: &str) -> Sha256 {
    Sha256::from_bytes(sha2::Sha256::digest(secret).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sevens;

    impl Random for Sevens {
        fn fill(&self, bytes: &mut [u8]) -> bool {
            bytes.fill(7);
            true
        }
    }

    #[test]
    fn a_token_is_known_again_and_nothing_else_is() {
        let token = NewToken::make(&Sevens).unwrap();
        let text = token.text(12);
        assert_eq!(text.reveal(), format!("prv_12_{}", "07".repeat(32)));
        let shown = TokenText::parse(text.reveal()).unwrap();
        assert!(shown.id == 12 && shown.is(&token.digest()));
        // printf 0707…07 | sha256sum
        let printed = "1967c0fdaed0b8f2618d3b1f4a9f8541ed315505acc26f5a41f382da8bdd9954";
        assert_eq!(token.digest().to_string(), printed);
        let other = TokenText::parse(&format!("prv_12_{}", "08".repeat(32))).unwrap();
        assert!(!other.is(&token.digest()));
        for text in ["", "prv_", "prv_1_", "prv_1_07", "prv_-1_", "prv_+1_", &format!("prv__{}", "07".repeat(32))] {
            assert_eq!(TokenText::parse(text), None, "{text}");
        }
        for text in [
            format!("PRV_1_{}", "07".repeat(32)),
            format!("prv_1_{}0", "07".repeat(32)),
            format!("prv_1_{}", "0G".repeat(32)),
        ] {
            assert_eq!(TokenText::parse(&text), None, "{text}");
        }
    }
}
