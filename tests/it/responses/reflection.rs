//! Server reflection, v1 and v1alpha, including the custom options.

use std::collections::BTreeMap;

use oauth_clients::pb::{self, Protos, Target};
use prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;

use crate::support::{Db, TestServer};

/// A `FileDescriptorSet` of encoded files: decoding them would drop their custom options.
#[derive(Clone, PartialEq, prost::Message)]
struct EncodedSet {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

/// Asks one version of the reflection service for all services, and for the files of this project's services.
macro_rules! reflect {
    ($version:ident, $server:expr) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let ask = async |question: MessageRequest| {
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(question),
            };
            let asking = futures_util::stream::once(std::future::ready(request));
            let mut client = ServerReflectionClient::new($server.transports.channel.clone());
            let mut answers = client.server_reflection_info(asking).await.unwrap().into_inner();
            answers
                .message()
                .await
                .unwrap()
                .unwrap()
                .message_response
                .unwrap()
        };
        let MessageResponse::ListServicesResponse(list) =
            ask(MessageRequest::ListServices(String::new())).await
        else {
            panic!("no list of services");
        };
        let services: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
        let own = services.iter().filter(|name| name.starts_with("oauth_clients."));
        let mut wanted: Vec<MessageRequest> =
            own.cloned().map(MessageRequest::FileContainingSymbol).collect();
        let mut files = BTreeMap::new();
        while let Some(question) = wanted.pop() {
            let MessageResponse::FileDescriptorResponse(answer) = ask(question).await else {
                panic!("no file");
            };
            for bytes in answer.file_descriptor_proto {
                let file = FileDescriptorProto::decode(bytes.as_slice()).unwrap();
                if files.insert(file.name().to_owned(), bytes).is_none() {
                    wanted.extend(file.dependency.into_iter().map(MessageRequest::FileByFilename));
                }
            }
        }
        (services, files)
    }};
}

fn check(services: &[String], files: BTreeMap<String, Vec<u8>>) {
    for service in [
        "oauth_clients.v1.OAuthClientService",
        "oauth_clients.v1.ClientAuthenticationService",
        "grpc.health.v1.Health",
    ] {
        assert!(
            services.iter().any(|name| name == service),
            "{service} in {services:?}"
        );
    }
    let set = EncodedSet {
        file: files.into_values().collect(),
    };
    let reflected = Protos::read(&set.encode_to_vec()).expect("every method and reason says its policy");
    for method in pb::protos().unwrap().methods() {
        let path = &method.path;
        assert_eq!(
            reflected.target(path).map(Target::policy),
            Some(&method.policy),
            "{path}"
        );
        let found = reflected.methods().iter().find(|found| found.path == *path);
        let options = found.unwrap().descriptor.options();
        assert_eq!(
            options.encode_to_vec(),
            method.descriptor.options().encode_to_vec(),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_1_returns_descriptors_with_their_options() {
    let server = TestServer::start(Db::sqlite()).await;
    let (services, files) = reflect!(v1, server);
    check(&services, files);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_1_alpha_returns_descriptors_with_their_options() {
    let server = TestServer::start(Db::sqlite()).await;
    let (services, files) = reflect!(v1alpha, server);
    check(&services, files);
}
