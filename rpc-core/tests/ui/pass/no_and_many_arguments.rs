//! No argument, many arguments, and no method at all.

use rpc_core::{Server, Status, service};

/// From none to twelve.
#[service]
pub trait Counts {
    /// None.
    async fn none(&self) -> Result<(), Status>;

    /// Twelve.
    #[allow(clippy::too_many_arguments)]
    async fn twelve(
        &self,
        a: u8,
        b: u16,
        c: u32,
        d: u64,
        e: i8,
        f: i64,
        g: bool,
        h: char,
        i: String,
        j: Option<Box<str>>,
        k: Vec<(u8, u8)>,
        l: std::collections::BTreeMap<String, f64>,
    ) -> Result<String, Status>;
}

/// Nothing to call yet.
#[service]
pub trait Empty {}

struct Shows;

impl Empty for Shows {}

impl Counts for Shows {
    async fn none(&self) -> Result<(), Status> {
        Ok(())
    }

    async fn twelve(
        &self,
        a: u8,
        b: u16,
        c: u32,
        d: u64,
        e: i8,
        f: i64,
        g: bool,
        h: char,
        i: String,
        j: Option<Box<str>>,
        k: Vec<(u8, u8)>,
        l: std::collections::BTreeMap<String, f64>,
    ) -> Result<String, Status> {
        Ok(format!("{a} {b} {c} {d} {e} {f} {g} {h} {i} {j:?} {k:?} {l:?}"))
    }
}

/// Calls both.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Status> {
    let server = Server::builder()
        .add(CountsServer::new(Shows))
        .add(EmptyServer::new(Shows))
        .listen("mem://no_and_many_arguments")
        .await?;
    let shows = CountsClient::connect(&server.address().to_string()).await?;
    shows.none().await?;
    let map = [("x".to_owned(), 0.5)].into();
    let shown = shows.twelve(
        1,
        2,
        3,
        4,
        -5,
        -6,
        true,
        'ß',
        "i".into(),
        Some("j".into()),
        vec![(1, 2)],
        map,
    );
    let expected = r#"1 2 3 4 -5 -6 true ß i Some("j") [(1, 2)] {"x": 0.5}"#;
    assert_eq!(shown.await?, expected);
    Ok(())
}
