//! A rules file that is watched.
//!
//! It is read again every second and compared with what was read before: at its size that costs
//! less than to be clever, and neither a coarse modification time nor a file system that tells
//! nobody can hide a change. A change counts once two readings in a row agree, so that a file which is
//! being written in place is not taken half, since half a TOML file is often a valid one.
//!
//! What was good is kept in a second file. With it, a process can start while the first is
//! broken or gone, under the rules it had instead of under none.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, mem};

use tokio::task::spawn_blocking;
use tokio::time::{Interval, MissedTickBehavior};

use super::source::{News, Source, Trouble};
use crate::governance::rules::{MAX_BYTES, MethodFacts, Mistakes, RuleSet, Strength, Syntax};
use crate::service::BoxFuture;

/// What a watched file finds its methods with, to check what a rule says of them.
type Methods = Arc<dyn Fn(&str) -> Option<MethodFacts> + Send + Sync>;

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a change has to stay as it is before it counts. Editors and deployments that write in
/// place take a few milliseconds.
const SETTLES_IN: Duration = Duration::from_millis(50);

/// After so many readings that all differ, it is looked at again when its time comes.
const MAX_READINGS: usize = 10;

/// A file of rules: JSON if it is called `.json`, else TOML.
///
/// Replace it by renaming another over it, where you can. A file that is empty or not there says
/// nothing: the rules in force stay. To withdraw all rules, leave a comment in it (TOML) or `{}`.
pub struct FileSource {
    path: PathBuf,
    name: Arc<str>,
    last_good: Option<PathBuf>,
    every: Duration,
    methods: Option<Methods>,
    ticks: Option<Interval>,
    /// What the last reading that counted was.
    seen: Option<Reading>,
    untold: VecDeque<News>,
}

/// A file's text, or why there is none.
type Reading = Result<String, String>;

impl FileSource {
    /// Watches the file at `path`, and keeps what was good beside it: `rules.toml.last-good`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let mut last_good = path.clone().into_os_string();
        last_good.push(".last-good");
        Self {
            name: name_of(&path),
            path,
            last_good: Some(last_good.into()),
            every: INTERVAL,
            methods: None,
            ticks: None,
            seen: None,
            untold: VecDeque::new(),
        }
    }

    /// Keeps what was good at `path`: in a place that this process can write to, and that outlives
    /// it.
    #[must_use]
    pub fn with_last_good(mut self, path: impl Into<PathBuf>) -> Self {
        self.last_good = Some(path.into());
        self
    }

    /// Keeps nothing.
    #[must_use]
    pub fn without_last_good(mut self) -> Self {
        self.last_good = None;
        self
    }

    /// Looks at the file so often; every second unless told otherwise.
    #[must_use]
    pub fn with_interval(mut self, every: Duration) -> Self {
        self.every = every.max(Duration::from_millis(1));
        self
    }

    /// Checks what is said of methods against what is known of them: whether `hedge` is asked for a method
    /// that is not idempotent, for one. [`Governance::watch_file`](super::Governance::watch_file) does so with
    /// the methods that are called in its process; `None` is a method that is not known, of which everything
    /// may be said.
    #[must_use]
    pub fn with_methods(
        mut self,
        methods: impl Fn(&str) -> Option<MethodFacts> + Send + Sync + 'static,
    ) -> Self {
        self.methods = Some(Arc::new(methods));
        self
    }

    /// Looks at the file, and notes what is new.
    async fn look(&mut self) {
        let mut reading = read(&self.path).await;
        if self.seen.as_ref() == Some(&reading) {
            return;
        }
        if self.seen.is_some() {
            let mut readings = 0;
            loop {
                tokio::time::sleep(SETTLES_IN).await;
                let again = mem::replace(&mut reading, read(&self.path).await);
                readings += 1;
                if again == reading {
                    break;
                }
                if readings == MAX_READINGS {
                    return;
                }
            }
        }
        let read = self.judge(&self.name, &reading);
        let mut news = VecDeque::new();
        match (read, &reading) {
            (Ok(rules), Ok(text)) => {
                news.push_back(News::Rules(Arc::new(rules)));
                if let Some(path) = &self.last_good
                    && let Err(why) = keep(path, text).await
                {
                    let (path, why) = (path.clone(), why.to_string());
                    news.push_back(News::Trouble(Arc::new(Trouble::NotKept { path, why })));
                }
            }
            (Ok(_), Err(_)) => {}
            (Err(trouble), _) => {
                if self.seen.is_none() {
                    self.restore(&mut news).await;
                }
                news.push_back(News::Trouble(Arc::new(trouble)));
            }
        }
        // Nothing is awaited from here on: a reading that counts is told.
        self.seen = Some(reading);
        self.untold.append(&mut news);
    }

    /// Finds what was good when another process, or this one before, last read the file.
    async fn restore(&self, news: &mut VecDeque<News>) {
        let Some(path) = &self.last_good else { return };
        let kept = read(path).await;
        if let Ok(rules) = self.judge(&name_of(path), &kept) {
            news.push_back(News::Rules(Arc::new(rules)));
        }
    }

    /// What a reading says, if it can be used.
    fn judge(&self, name: &Arc<str>, reading: &Reading) -> Result<RuleSet, Trouble> {
        let unreadable = |why: &str| Trouble::Unreadable { source: name.clone(), why: why.into() };
        let text = reading.as_ref().map_err(|why| unreadable(why))?;
        if text.trim().is_empty() {
            return Err(unreadable(
                "the file is empty, which may be an accident; to withdraw all rules, write so in \
                 a comment (TOML) or {} (JSON)",
            ));
        }
        let methods = self.methods.as_deref();
        let methods = methods.map(|methods| methods as &dyn Fn(&str) -> Option<MethodFacts>);
        let refused = |mistakes: Mistakes| Trouble::Refused(mistakes);
        // What was good is of the file's own syntax, whatever the name of its copy ends in.
        let syntax = syntax(&self.path);
        RuleSet::parse(Strength::File, name.clone(), syntax, text, methods).map_err(refused)
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn next(&mut self) -> BoxFuture<'_, News> {
        Box::pin(async move {
            loop {
                if let Some(news) = self.untold.pop_front() {
                    return news;
                }
                let every = self.every;
                let ticks = self.ticks.get_or_insert_with(|| {
                    let mut ticks = tokio::time::interval(every);
                    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    ticks
                });
                ticks.tick().await;
                self.look().await;
            }
        })
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource")
            .field("path", &self.path)
            .field("last_good", &self.last_good)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

fn syntax(path: &Path) -> Syntax {
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("json") => Syntax::Json,
        _ => Syntax::Toml,
    }
}

/// What messages call the file: as it was given, as there may be one of that name in another folder.
fn name_of(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}

async fn read(path: &Path) -> Reading {
    let path = path.to_owned();
    let read = spawn_blocking(move || read_now(&path)).await;
    read.unwrap_or_else(|_| Err("the runtime is shutting down".to_owned()))
}

fn read_now(path: &Path) -> Reading {
    let why = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => format!("it can't be read: {error}"),
    };
    // A pipe would be waited for, and a folder can't be read.
    if !fs::metadata(path).map_err(why)?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let (mut bytes, most) = (Vec::new(), MAX_BYTES as u64 + 1);
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(why)?;
    if bytes.len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8")
    })
}

/// Keeps `text` at `path`: whoever reads there finds the old text or the new one, whole.
async fn keep(path: &Path, text: &str) -> io::Result<()> {
    let (path, text) = (path.to_owned(), text.to_owned());
    spawn_blocking(move || keep_now(&path, &text)).await.unwrap_or(Ok(()))
}

fn keep_now(path: &Path, text: &str) -> io::Result<()> {
    if read_now(path).as_deref() == Ok(text) {
        return Ok(());
    }
    // Each process has its own, as several may share the file.
    let mut draft = path.to_owned().into_os_string();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let written = File::create(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // There may be none; it is of no use to anyone.
        let _ = fs::remove_file(&draft);
    }
    written
}
