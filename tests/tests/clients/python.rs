//! Python clients: OpenAI's, gRPC's and a WebSocket's.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sluicegate_tests::manifests::{all_to, prefix, rule, target, upstream};
use sluicegate_tests::tools::python;
use sluicegate_tests::{Gate, Origin};

/// A Python server that prints its port and ends with its standard input.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(script: &str) -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let interpreter =
            std::env::var_os("SLUICEGATE_PYTHON").map_or_else(|| top.join("../.cache/venv/bin/python"), Into::into);
        let mut child = Command::new(interpreter)
            .arg(top.join("clients").join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`make setup` installs Python");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { port: line.trim().parse().expect("the server prints its port"), child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

#[test]
fn openai_streams_a_chat_completion_through_a_rule() {
    let provider = Origin::scripted(|wire, request| {
        assert_eq!(request.target(), "/v1/chat/completions");
        let asked = request.json();
        wire.send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n",
        )?;
        let mut event = |data: &str| {
            let text = format!("data: {data}\n\n");
            wire.send(format!("{:x}\r\n{text}\r\n", text.len()))
        };
        for word in ["one", "two", "three", "four", "five"] {
            event(&serde_json::json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": asked["model"],
                "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": null}]}).to_string())?;
        }
        event(&serde_json::json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": asked["model"], "choices": [],
            "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}).to_string())?;
        event("[DONE]")?;
        wire.send("0\r\n\r\n")
    });
    let manifests = [
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: provider}\nstringData: {key: sk-real}\n".to_owned(),
        target(
            "provider",
            provider.port(),
            "credentials: {header: Authorization, valueFrom: {secretKeyRef: {name: provider, key: key}, prefix: \"Bearer \"}}",
        ),
        upstream("chat", &["provider"], ""),
        rule("chat", "matches: [{path: {value: /v1}, model: ['gpt-4o*']}]\nupstream: chat"),
    ];
    let gate = Gate::start(&manifests.concat());
    let printed = python("chat.py", &[&format!("http://{}/v1", gate.listen), "gpt-4o-mini"]);
    assert_eq!(
        printed.lines().collect::<Vec<_>>(),
        ["\"one\"", "\"two\"", "\"three\"", "\"four\"", "\"five\"", "{\"total\": 8}"]
    );
    assert_eq!(provider.request().fields("authorization"), ["Bearer sk-real"], "the caller's own key stays here");
}

#[test]
fn grpc_streams_both_ways_with_trailers() {
    let server = Server::start("grpc_server.py");
    let gate = Gate::start(
        &[
            target("grpc", server.port, "protocol: H2C"),
            upstream("grpc", &["grpc"], ""),
            prefix("/test.Service", "grpc"),
        ]
        .concat(),
    );
    assert_eq!(python("grpc_client.py", &[&gate.listen.to_string()]).trim(), "all well");
}

#[test]
fn a_web_socket_talks_through_a_rule() {
    let server = Server::start("socket_server.py");
    let gate = Gate::start(&all_to(server.port, ""));
    assert_eq!(python("socket_client.py", &[&format!("ws://{}/socket", gate.listen)]).trim(), "all well");
}
