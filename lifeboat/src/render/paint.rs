//! Colour: only on a terminal, never the only sign.

/// Whether texts are coloured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    /// For a stream that is a terminal or not. `NO_COLOR` (no-color.org) and a dumb terminal switch colour off.
    pub(crate) fn for_stream(terminal: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self(terminal && !set("NO_COLOR") && !dumb)
    }

    /// Never.
    #[cfg(test)]
    pub(crate) const fn never() -> Self {
        Self(false)
    }

    pub(crate) const fn is_on(self) -> bool {
        self.0
    }

    /// What is wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        self.wrapped("1;31", text)
    }

    /// What is not as it should be.
    pub(crate) fn doubtful(self, text: &str) -> String {
        self.wrapped("1;33", text)
    }

    /// What was done.
    pub(crate) fn good(self, text: &str) -> String {
        self.wrapped("1;32", text)
    }

    fn wrapped(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
