//! What is generated is as visible as the trait, and private types do for a private service.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces)]

use rpc_core::Status;

/// Rooms with services of each visibility.
pub mod rooms {
    #![allow(clippy::needless_pub_self)]

    use rpc_core::{Status, service};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Secret(u8);

    #[service]
    trait Private {
        async fn tell(&self, secret: Secret) -> Result<Secret, Status>;
    }

    struct Mirror;

    impl Private for Mirror {
        async fn tell(&self, secret: Secret) -> Result<Secret, Status> {
            Ok(secret)
        }
    }

    /// Uses it where it can be seen.
    pub async fn private() -> Result<u8, Status> {
        let _server = PrivateServer::new(Mirror);
        let object: std::sync::Arc<dyn private::Dyn> = std::sync::Arc::new(Mirror);
        Ok(object.tell(Secret(7)).await?.0)
    }

    #[service]
    pub(crate) trait Crate {
        async fn seven(&self) -> Result<u8, Status>;
    }

    #[service]
    pub(super) trait Super {
        async fn seven(&self) -> Result<u8, Status>;
    }

    #[service]
    pub(self) trait Same {
        async fn seven(&self) -> Result<u8, Status>;
    }

    pub(super) struct Seven;

    impl Crate for Seven {
        async fn seven(&self) -> Result<u8, Status> {
            Ok(7)
        }
    }

    impl Super for Seven {
        async fn seven(&self) -> Result<u8, Status> {
            Ok(7)
        }
    }

    impl Same for Seven {
        async fn seven(&self) -> Result<u8, Status> {
            Ok(7)
        }
    }

    fn same() -> std::sync::Arc<dyn same::Dyn> {
        std::sync::Arc::new(Seven)
    }

    pub(super) async fn seven() -> Result<u8, Status> {
        Same::seven(&same()).await
    }
}

/// Uses each from where it can be seen.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Status> {
    assert_eq!(rooms::private().await?, 7);
    let object: std::sync::Arc<dyn rooms::crate_::Dyn> = std::sync::Arc::new(rooms::Seven);
    assert_eq!(rooms::Crate::seven(&object).await?, 7);
    let object: std::sync::Arc<dyn rooms::super_::Dyn> = std::sync::Arc::new(rooms::Seven);
    assert_eq!(rooms::Super::seven(&object).await?, 7);
    assert_eq!(rooms::seven().await?, 7);
    Ok(())
}
