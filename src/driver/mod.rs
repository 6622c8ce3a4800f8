//! Drivers.

/// How connections are carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Backend {
    /// One loop over epoll(7), edge-triggered, through mio.
    #[default]
    Edge,
    /// One loop over epoll(7), level-triggered.
    Level,
    /// One loop over poll(2).
    Poll,
    /// One loop over select(2): at most 1,024 descriptors.
    Select,
    /// A thread per connection.
    Threads,
    /// One connection at a time.
    Blocking,
}

impl Backend {
    /// All of them, in the order in which the tour visits them backwards.
    pub const ALL: [Self; 6] = [
        Self::Edge,
        Self::Level,
        Self::Poll,
        Self::Select,
        Self::Threads,
        Self::Blocking,
    ];

    /// The word that chooses it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Level => "level",
            Self::Poll => "poll",
            Self::Select => "select",
            Self::Threads => "threads",
            Self::Blocking => "blocking",
        }
    }
}
