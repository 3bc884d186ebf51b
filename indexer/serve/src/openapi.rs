//! The description of the API: paths from where the handlers stand, schemas from the same types the contract's are made of.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, RefOr};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{Service, actions, answer, api};

/// Where the description is.
const ADDRESS: &str = "/api/v1/openapi.json";
/// Where people read it.
const PAGES: &str = "/api/v1/docs";
/// Under which key a schema travels through utoipa, which has no room for one it did not make.
const CARRIED: &str = "x-schema";

/// What a type's own schema is called in the description, for utoipa's macros: `described!(Answer, …)`.
macro_rules! described {
    ($($type:ident as $contract:ident),* $(,)?) => {
        $(
            impl utoipa::PartialSchema for $type {
                fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                    $crate::openapi::carried::<$type>(schemars::generate::Contract::$contract)
                }
            }
            impl utoipa::ToSchema for $type {
                fn name() -> std::borrow::Cow<'static, str> {
                    stringify!($type).into()
                }
            }
        )*
    };
}
pub(crate) use described;

/// A schema of schemars in a form that utoipa carries along.
pub(crate) fn carried<T: JsonSchema>(contract: Contract) -> RefOr<utoipa::openapi::schema::Schema> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        settings.contract = contract;
    });
    let schema: Schema = settings.into_generator().into_root_schema_for::<T>();
    let extensions = ExtensionsBuilder::new().add(CARRIED, schema.to_value()).build();
    ObjectBuilder::new().extensions(Some(extensions)).into()
}

/// The routes of this file.
pub(crate) fn router() -> Router<Arc<Service>> {
    // The library would have the description judged by somebody else's server.
    let config = Config::from(ADDRESS).use_base_layout().validator_url("none");
    let pages = Router::from(SwaggerUi::new(PAGES).config(config)).layer(from_fn(only_our_own));
    Router::new().route(ADDRESS, get(description)).merge(pages)
}

/// Nothing on these pages may be loaded from, or sent to, another place than this server.
async fn only_our_own(request: Request, next: Next) -> Response {
    let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

async fn description() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    answer::bytes(text.clone().into_bytes(), HeaderValue::from_static("application/json"), answer::SHORT)
}

/// The description as it is served, and as it stands in the contract.
#[must_use]
pub fn document() -> Value {
    let described: OpenApi = api::described().merge(actions::described()).into_openapi();
    let info = InfoBuilder::new()
        .title("Provenance Indexer")
        .version("1")
        .description(Some(include_str!("openapi.md")))
        .build();
    let api = OpenApiBuilder::new().info(info).paths(described.paths).components(described.components).build();
    let mut document = serde_json::to_value(api).unwrap_or_default();
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        unpack(schemas);
    }
    document["components"]["securitySchemes"] = json!({
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `provenance token create`, `prv_…`: its scopes and its crates say what it allows.",
        },
    });
    refusals(&mut document);
    document
}

/// Puts every carried schema in its place, and the ones it refers to beside it.
fn unpack(schemas: &mut Map<String, Value>) {
    let mut unpacked = Map::new();
    for (name, value) in std::mem::take(schemas) {
        let Some(mut schema) = value.get(CARRIED).cloned() else {
            unpacked.insert(name, value);
            continue;
        };
        if let Some(fields) = schema.as_object_mut() {
            if let Some(Value::Object(mut beside)) = fields.remove("components")
                && let Some(Value::Object(beside)) = beside.remove("schemas")
            {
                unpacked.extend(beside);
            }
            fields.remove("title");
        }
        unpacked.insert(name, schema);
    }
    unpacked.insert(
        "Errors".to_owned(),
        json!({
            "description": "Why there is no answer.",
            "type": "object",
            "required": ["errors"],
            "properties": {
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["detail"],
                        "properties": { "detail": { "type": "string", "description": "A sentence." } },
                    },
                },
                "as_of": { "$ref": "#/components/schemas/Standing" },
            },
        }),
    );
    *schemas = unpacked;
}

/// Every operation may be refused in these ways; written once, here.
fn refusals(document: &mut Value) {
    const REFUSALS: [(&str, &str); 6] = [
        ("400", "The request cannot be understood."),
        ("404", "There is no such thing; where a crate is not known, `as_of` says what is."),
        ("405", "Not this method; the header `Allow` lists those that are."),
        ("414", "The address is too long."),
        ("500", "Something went wrong here."),
        ("503", "The database does not answer, or too much is asked at once; `Retry-After` says when to ask again."),
    ];
    const OF_STAFF: [(&str, &str); 2] =
        [("401", "There is no token, or it is not valid."), ("403", "The token does not allow this.")];
    const OF_BODY: [(&str, &str); 1] = [("413", "The body is too large.")];
    let paths = document.pointer_mut("/paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flat_map(|paths| paths.values_mut()).filter_map(Value::as_object_mut);
    for operation in operations.flat_map(|operations| operations.values_mut()) {
        let of_staff = if operation.get("security").is_some() { &OF_STAFF[..] } else { &[] };
        let of_body = if operation.get("requestBody").is_some() { &OF_BODY[..] } else { &[] };
        let refusals: Vec<_> = REFUSALS.iter().chain(of_staff).chain(of_body).copied().collect();
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        let errors = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Errors" } } });
        for (status, description) in refusals {
            responses.entry(status).or_insert_with(|| json!({ "description": description }));
        }
        // A refusal of an operation's own has the same shape, unless it says another.
        for (_, response) in responses.iter_mut().filter(|(status, _)| status.as_str() >= "400") {
            if let Some(response) = response.as_object_mut() {
                response.entry("content").or_insert_with(|| errors.clone());
            }
        }
    }
}
