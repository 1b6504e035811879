//! A service lists the formats it speaks; a client picks one while it runs. No user type changes.

use rpc_core::{Code, Compression, Server, Status, service};
use serde::{Deserialize, Serialize};

#[service(name = "shop.Catalog", formats(MessagePack, Json, Cbor, Postcard))]
trait Catalog {
    /// Adds an article; returns it as it was understood.
    async fn add(&self, article: Article) -> Result<Article, Status>;
}

/// Something to sell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Article {
    sku: String,
    cents: u64,
    tags: Vec<String>,
}

struct Shop;

impl Catalog for Shop {
    async fn add(&self, article: Article) -> Result<Article, Status> {
        Ok(article)
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().add(CatalogServer::new(Shop)).listen("127.0.0.1:0").await?;
    let catalog = CatalogClient::connect(&server.address().to_string()).await?;
    let article =
        Article { sku: "A-17".into(), cents: 1999, tags: vec!["red".into(), "round".into()] };

    for format in ["msgpack", "json", "cbor", "postcard"] {
        let same = catalog.with_format(format).add(article.clone()).await?;
        println!("{format}: {same:?}");
        assert_eq!(same, article);
    }

    // The default is the first of the list, and it can travel compressed.
    let same = catalog.with_compression(Compression::Lz4).add(article.clone()).await?;
    assert_eq!(same, article);

    let unknown = catalog.with_format("yaml").add(article).await.expect_err("it is not listed");
    println!("{unknown}");
    assert_eq!(unknown.code(), Code::InvalidArgument);
    Ok(())
}
