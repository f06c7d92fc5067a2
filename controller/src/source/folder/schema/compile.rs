//! A structural schema as the walk needs it, from its JSON.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value as Json};

/// One node of a schema.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    /// What the value must be.
    pub(crate) shape: Shape,
    /// `null` is a value too.
    pub(crate) nullable: bool,
    /// The value of a field that is left out, its own defaults filled in.
    pub(crate) default: Option<Json>,
    /// The only values there are; empty: any.
    pub(crate) one_of_values: Vec<Json>,
    /// All of these hold.
    pub(crate) all_of: Vec<Schema>,
    /// At least one of these holds; empty: no demand.
    pub(crate) any_of: Vec<Schema>,
    /// Exactly one of these holds; empty: no demand.
    pub(crate) one_of: Vec<Schema>,
    /// This does not hold.
    pub(crate) not: Option<Box<Schema>>,
    /// Bounds of numbers.
    pub(crate) numbers: Numbers,
    /// Bounds of texts.
    pub(crate) texts: Texts,
}

/// What a value must be.
#[derive(Debug, Default)]
pub(crate) enum Shape {
    /// Anything, taken as it is.
    #[default]
    Any,
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A boolean.
    Boolean,
    /// A whole number or a text.
    IntOrString,
    /// A list.
    List(ListShape),
    /// A mapping.
    Object(ObjectShape),
}

/// A list's schema.
#[derive(Debug, Default)]
pub(crate) struct ListShape {
    /// Of its items.
    pub(crate) items: Box<Schema>,
    /// The fewest items.
    pub(crate) min: Option<u64>,
    /// The most items.
    pub(crate) max: Option<u64>,
    /// What makes an item the same as another.
    pub(crate) unique: Unique,
}

/// What must not be twice in a list.
#[derive(Debug, Default)]
pub(crate) enum Unique {
    /// Anything may.
    #[default]
    No,
    /// The whole item (`x-kubernetes-list-type: set`).
    Item,
    /// These fields of an item together (`x-kubernetes-list-type: map`).
    Keys(Vec<String>),
}

/// A mapping's schema.
#[derive(Debug, Default)]
pub(crate) struct ObjectShape {
    /// The fields it knows.
    pub(crate) properties: BTreeMap<String, Schema>,
    /// The fields it must have.
    pub(crate) required: Vec<String>,
    /// The schema of every other field.
    pub(crate) additional: Option<Box<Schema>>,
    /// Other fields are taken as they are: asked for, or part of a condition such as `anyOf`.
    pub(crate) open: bool,
    /// The fewest fields.
    pub(crate) min: Option<u64>,
    /// The most fields.
    pub(crate) max: Option<u64>,
}

/// Bounds of a number.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// The least value.
    pub(crate) min: Option<f64>,
    /// The greatest value.
    pub(crate) max: Option<f64>,
    /// The least value is not allowed itself.
    pub(crate) above_min: bool,
    /// The greatest value is not allowed itself.
    pub(crate) below_max: bool,
    /// What it must be a multiple of.
    pub(crate) multiple_of: Option<f64>,
}

/// Bounds of a text.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// The fewest characters.
    pub(crate) min: Option<u64>,
    /// The most characters.
    pub(crate) max: Option<u64>,
    /// What it must match somewhere.
    pub(crate) pattern: Option<Regex>,
}

/// Keywords that describe and demand nothing of a value.
const DESCRIPTIONS: [&str; 5] = ["description", "title", "example", "externalDocs", "x-kubernetes-map-type"];
/// Checked from the same schema by CEL.
const RULES: &str = "x-kubernetes-validations";

impl Schema {
    /// Compiles a schema. What it demands that the walk does not know is added to `unknown`: a demand must not be
    /// skipped in silence.
    pub(crate) fn compile(json: &Json, unknown: &mut Vec<String>) -> Self {
        Compiler { unknown, closed: true }.schema(json)
    }

    /// Fills in the defaults of everything below a value that is itself a default.
    fn fill(&self, value: &mut Json) {
        match (&self.shape, value) {
            (Shape::Object(object), Json::Object(fields)) => {
                for (name, schema) in &object.properties {
                    match (fields.get_mut(name), &schema.default) {
                        (Some(field), _) => schema.fill(field),
                        (None, Some(default)) => {
                            fields.insert(name.clone(), default.clone());
                        }
                        (None, None) => {}
                    }
                }
            }
            (Shape::List(list), Json::Array(items)) => items.iter_mut().for_each(|item| list.items.fill(item)),
            _ => {}
        }
    }
}

struct Compiler<'a> {
    unknown: &'a mut Vec<String>,
    /// Fields that are not named are refused. Inside a condition (`anyOf`…) they are not its business.
    closed: bool,
}

impl Compiler<'_> {
    fn schema(&mut self, json: &Json) -> Schema {
        let Json::Object(keywords) = json else { return Schema::default() };
        self.report_unknown(keywords);
        let mut schema = Schema {
            shape: self.shape(keywords),
            nullable: flag(keywords, "nullable"),
            default: None,
            one_of_values: list(keywords, "enum").to_vec(),
            all_of: self.conditions(keywords, "allOf"),
            any_of: self.conditions(keywords, "anyOf"),
            one_of: self.conditions(keywords, "oneOf"),
            not: keywords.get("not").map(|json| Box::new(self.condition(json))),
            numbers: Numbers {
                min: keywords.get("minimum").and_then(Json::as_f64),
                max: keywords.get("maximum").and_then(Json::as_f64),
                above_min: flag(keywords, "exclusiveMinimum"),
                below_max: flag(keywords, "exclusiveMaximum"),
                multiple_of: keywords.get("multipleOf").and_then(Json::as_f64),
            },
            texts: Texts {
                min: number(keywords, "minLength"),
                max: number(keywords, "maxLength"),
                pattern: self.pattern(keywords),
            },
        };
        if let (Shape::Integer, Some("int32")) = (&schema.shape, text(keywords, "format")) {
            let Numbers { min, max, .. } = &mut schema.numbers;
            *min = min.or(Some(i32::MIN.into()));
            *max = max.or(Some(i32::MAX.into()));
        }
        if let Some(default) = keywords.get("default") {
            let mut default = default.clone();
            schema.fill(&mut default);
            schema.default = Some(default);
        }
        schema
    }

    fn shape(&mut self, keywords: &Map<String, Json>) -> Shape {
        if flag(keywords, "x-kubernetes-int-or-string") {
            return Shape::IntOrString;
        }
        match text(keywords, "type") {
            Some("string") => Shape::String,
            Some("integer") => Shape::Integer,
            Some("number") => Shape::Number,
            Some("boolean") => Shape::Boolean,
            Some("array") => Shape::List(ListShape {
                items: Box::new(keywords.get("items").map(|json| self.schema(json)).unwrap_or_default()),
                min: number(keywords, "minItems"),
                max: number(keywords, "maxItems"),
                unique: match text(keywords, "x-kubernetes-list-type") {
                    Some("set") => Unique::Item,
                    Some("map") => Unique::Keys(texts(keywords, "x-kubernetes-list-map-keys")),
                    _ => Unique::No,
                },
            }),
            Some("object") => self.object(keywords),
            // A condition may name fields without repeating that it is about a mapping.
            _ if ["properties", "required"].iter().any(|word| keywords.contains_key(*word)) => self.object(keywords),
            _ => Shape::Any,
        }
    }

    fn object(&mut self, keywords: &Map<String, Json>) -> Shape {
        let properties = match keywords.get("properties") {
            Some(Json::Object(properties)) => {
                properties.iter().map(|(name, json)| (name.clone(), self.schema(json))).collect()
            }
            _ => BTreeMap::new(),
        };
        let additional = match keywords.get("additionalProperties") {
            Some(json @ Json::Object(_)) => Some(Box::new(self.schema(json))),
            Some(Json::Bool(true)) => Some(Box::default()),
            _ => None,
        };
        Shape::Object(ObjectShape {
            open: !self.closed || flag(keywords, "x-kubernetes-preserve-unknown-fields"),
            properties,
            required: texts(keywords, "required"),
            additional,
            min: number(keywords, "minProperties"),
            max: number(keywords, "maxProperties"),
        })
    }

    fn conditions(&mut self, keywords: &Map<String, Json>, word: &str) -> Vec<Schema> {
        // The `anyOf` beside `x-kubernetes-int-or-string` only says the same again.
        if word == "anyOf" && flag(keywords, "x-kubernetes-int-or-string") {
            return Vec::new();
        }
        list(keywords, word).iter().map(|json| self.condition(json)).collect()
    }

    fn condition(&mut self, json: &Json) -> Schema {
        Compiler { unknown: &mut *self.unknown, closed: false }.schema(json)
    }

    fn pattern(&mut self, keywords: &Map<String, Json>) -> Option<Regex> {
        let pattern = text(keywords, "pattern")?;
        match Regex::new(pattern) {
            Ok(regex) => Some(regex),
            Err(error) => {
                self.unknown.push(format!("pattern {pattern}: {error}"));
                None
            }
        }
    }

    fn report_unknown(&mut self, keywords: &Map<String, Json>) {
        const KNOWN: [&str; 27] = [
            "type",
            "format",
            "nullable",
            "default",
            "enum",
            "allOf",
            "anyOf",
            "oneOf",
            "not",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "pattern",
            "items",
            "minItems",
            "maxItems",
            "properties",
            "required",
            "additionalProperties",
            "minProperties",
            "maxProperties",
            "x-kubernetes-int-or-string",
            "x-kubernetes-preserve-unknown-fields",
        ];
        const LISTS: [&str; 2] = ["x-kubernetes-list-type", "x-kubernetes-list-map-keys"];
        for word in keywords.keys() {
            let word = word.as_str();
            let known = KNOWN.contains(&word) || LISTS.contains(&word) || DESCRIPTIONS.contains(&word) || word == RULES;
            if !known {
                self.unknown.push(format!("keyword {word}"));
            }
        }
    }
}

fn flag(keywords: &Map<String, Json>, word: &str) -> bool {
    keywords.get(word).and_then(Json::as_bool).unwrap_or(false)
}

fn number(keywords: &Map<String, Json>, word: &str) -> Option<u64> {
    keywords.get(word).and_then(Json::as_u64)
}

fn text<'a>(keywords: &'a Map<String, Json>, word: &str) -> Option<&'a str> {
    keywords.get(word).and_then(Json::as_str)
}

fn list<'a>(keywords: &'a Map<String, Json>, word: &str) -> &'a [Json] {
    keywords.get(word).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn texts(keywords: &Map<String, Json>, word: &str) -> Vec<String> {
    list(keywords, word).iter().filter_map(Json::as_str).map(str::to_owned).collect()
}
