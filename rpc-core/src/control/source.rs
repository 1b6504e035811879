//! Where rules come from while the process runs, and how one is followed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::governance::rules::{Mistakes, RuleSet};
use crate::service::BoxFuture;
use crate::status::{Code, Status};

/// Something that says rules, and says others later: a file, a registry's key-value store.
///
/// A source hands out whole sets that were valid when it read them. What can't be read, or is
/// refused, is trouble: it is told, and the rules that were in force stay.
pub trait Source: Send {
    /// What it is called in messages and in `explain`.
    fn name(&self) -> &str;

    /// What it says at first, then whatever is new. It never ends.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next one tells it.
    fn next(&mut self) -> BoxFuture<'_, News>;
}

/// What a source has to tell.
#[derive(Clone, Debug)]
pub enum News {
    /// A set of rules, in place of all it said before.
    Rules(Arc<RuleSet>),
    /// No set of rules could be had. What it said before stays in force.
    Trouble(Arc<Trouble>),
}

/// Why a source has no new rules, or might not have them again.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// It can't be read.
    Unreadable {
        /// The source.
        source: Arc<str>,
        /// Why.
        why: String,
    },
    /// It was read, and is wrong.
    Refused(Mistakes),
    /// Its rules are in force, but could not be kept for the next start.
    NotKept {
        /// Where they should have been kept.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { source, why } => write!(f, "{source}: {why}"),
            Self::Refused(mistakes) => mistakes.fmt(f),
            Self::NotKept { path, why } => {
                write!(f, "the last good rules can't be kept in {}: {why}", path.display())
            }
        }
    }
}

/// As a program prints it that ends with it: the text, since the parts say less.
impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Arc<Trouble>> for Status {
    fn from(trouble: Arc<Trouble>) -> Self {
        Self::local(Code::InvalidArgument, trouble.to_string()).with_source(trouble)
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(mistakes) => Some(mistakes),
            Self::Unreadable { .. } | Self::NotKept { .. } => None,
        }
    }
}

/// How it stands with a source.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The last good set it said; none before its first news.
    pub rules: Option<Arc<RuleSet>>,
    /// What is wrong with it now.
    pub trouble: Option<Arc<Trouble>>,
}

impl Standing {
    /// What it is after this news.
    fn hear(&mut self, news: News) {
        match news {
            News::Rules(rules) => *self = Self { rules: Some(rules), trouble: None },
            News::Trouble(trouble) => self.trouble = Some(trouble),
        }
    }
}

/// Follows a source for as long as somebody listens, and tells how it stands.
///
/// # Cancel safety
/// Dropping the future ends it; `standing` has what was heard by then.
pub async fn follow(mut source: impl Source, standing: watch::Sender<Standing>) {
    loop {
        tokio::select! {
            () = standing.closed() => return,
            news = source.next() => standing.send_modify(|standing| standing.hear(news)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::pending;

    use super::*;
    use crate::governance::rules::{Strength, Syntax};

    /// Says what it was told to.
    struct Script(VecDeque<News>);

    impl Source for Script {
        fn name(&self) -> &str {
            "script"
        }

        fn next(&mut self) -> BoxFuture<'_, News> {
            match self.0.pop_front() {
                Some(news) => Box::pin(async { news }),
                None => Box::pin(pending()),
            }
        }
    }

    fn rules(text: &str) -> News {
        let set = RuleSet::parse(Strength::File, "script", Syntax::Toml, text, None);
        News::Rules(Arc::new(set.expect("valid rules")))
    }

    fn trouble() -> News {
        let (source, why) = ("script".into(), "gone".to_owned());
        News::Trouble(Arc::new(Trouble::Unreadable { source, why }))
    }

    /// How it stands after these news: the rules, and whether there is trouble.
    async fn after<const N: usize>(news: [News; N]) -> (String, bool) {
        let (sender, mut receiver) = watch::channel(Standing::default());
        let following = follow(Script(news.into()), sender);
        tokio::pin!(following);
        // It never ends by itself while somebody listens: one poll hears all that is ready.
        tokio::select! {
            biased;
            () = &mut following => unreachable!("somebody listens"),
            () = std::future::ready(()) => {}
        }
        let standing = receiver.borrow_and_update().clone();
        let rules = standing.rules.map(|rules| rules.to_string()).unwrap_or_default();
        (rules, standing.trouble.is_some())
    }

    #[tokio::test]
    async fn trouble_leaves_the_last_good_rules_in_force() {
        let good = "[client.defaults]\ntimeout = \"1s\"\n\n";
        assert_eq!(after([trouble()]).await, (String::new(), true));
        assert_eq!(after([rules(good), trouble()]).await, (good.to_owned(), true));
        assert_eq!(after([trouble(), rules(good)]).await, (good.to_owned(), false));
    }

    #[tokio::test]
    async fn following_ends_when_nobody_listens() {
        let (sender, receiver) = watch::channel(Standing::default());
        drop(receiver);
        follow(Script(VecDeque::new()), sender).await;
    }
}
