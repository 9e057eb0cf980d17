//! Features that the cluster has agreed on.

use kafka_protocol::messages::ApiVersionsResponse;
use lifeboat_archive::documents::{FeatureRange, FeaturesDocument};

use super::{ADMIN, Cluster};
use crate::error::KafkaError;

impl Cluster {
    /// The finalized features, and what the broker that was asked supports. It takes no right.
    pub async fn features(&self) -> Result<FeaturesDocument, KafkaError> {
        let mut patience = self.patience();
        loop {
            let mut last = KafkaError::Bootstrap(Vec::new());
            for broker in self.brokers() {
                let answer = match self.broker(broker.id, ADMIN).await {
                    Ok(connection) => connection.ask_features().await,
                    Err(error) => Err(error),
                };
                match answer {
                    Ok(answer) => return Ok(read_features(&answer)),
                    Err(error) => last = error,
                }
            }
            if !last.is_retriable() || !patience.pause().await {
                return Err(last);
            }
        }
    }
}

fn read_features(answer: &ApiVersionsResponse) -> FeaturesDocument {
    let finalized = answer.finalized_features.iter();
    let supported = answer.supported_features.iter();
    FeaturesDocument {
        finalized: finalized
            .map(|feature| (feature.name.to_string(), feature.max_version_level))
            .collect(),
        supported: supported
            .map(|feature| {
                let range = FeatureRange {
                    min: feature.min_version,
                    max: feature.max_version,
                };
                (feature.name.to_string(), range)
            })
            .collect(),
    }
}
