package dev.sluice.load;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;

/** What a hostile or careless client sends, over and over. */
public enum Attack {
    /** Streams of many choices whose client is gone before the head of the response, or soon after it. */
    CUT_STREAMS {
        @Override
        void strike(int port, Random random) throws IOException {
            String body = "{\"prompt\":\"Once\",\"n\":16,\"max_tokens\":400,\"ignore_eos\":true,\"stream\":true}";
            try (Socket socket = send(port, post("/v1/completions", JSON, body))) {
                if (random.nextBoolean()) {
                    socket.getInputStream().read();
                }
                socket.setSoLinger(true, 0);
            }
        }
    },
    /** As much text as a body may hold. */
    BIG_TEXT {
        @Override
        void strike(int port, Random random) throws IOException {
            String text = (random.nextBoolean() ? "a" : "lorem ipsum ")
                    .repeat(7_000_000)
                    .substring(0, 7_000_000);
            String path = random.nextBoolean() ? "/tokenize" : "/v1/completions";
            exchange(port, post(path, JSON, "{\"prompt\":\"" + text + "\"}"));
        }
    },
    /** Large answers that are not streamed, some of them larger than allowed. */
    WHOLE_ANSWERS {
        @Override
        void strike(int port, Random random) throws IOException {
            int tokens = random.nextInt(4) == 0 ? 8000 : 150;
            exchange(
                    port,
                    post(
                            "/v1/completions",
                            JSON,
                            "{\"prompt\":\"Once\",\"n\":16,\"ignore_eos\":true,\"logprobs\":20,\"max_tokens\":" + tokens
                                    + "}"));
        }
    },
    /** Names of equal hash codes. */
    EQUAL_HASHES {
        @Override
        void strike(int port, Random random) throws IOException {
            StringBuilder body = new StringBuilder("{\"prompt\":\"x\"");
            for (int name = 0; name < 3000; name++) {
                body.append(",\"");
                for (int bit = 0; bit < 12; bit++) {
                    body.append((name >> bit & 1) == 0 ? "Aa" : "BB"); // which String.hashCode cannot tell apart
                }
                body.append("\":1");
            }
            exchange(port, post("/v1/completions", JSON, body + ",\"max_tokens\":1}"));
        }
    },
    /** What no parser should take. */
    INVALID {
        private final List<String> bodies = List.of(
                "",
                "{\"prompt\":",
                "[".repeat(100_000),
                "{\"prompt\":\"\u00c0\u00af\"}",
                "{\"prompt\":\"x\",\"n\":1000000000000000000}",
                "{\"prompt\":\"x\",\"seed\":" + "9".repeat(100_000) + "}",
                "{\"prompt\":\"x\",\"max_tokens\":1,\"max_tokens\":2}");

        @Override
        void strike(int port, Random random) throws IOException {
            exchange(port, post("/v1/completions", JSON, bodies.get(random.nextInt(bodies.size()))));
        }
    },
    /** What libraries like to log at length. */
    LOG_AMPLIFIERS {
        private final List<String> heads = List.of(
                "Content-Type: a/b/c; ;=\"\r\nContent-Length: 2\r\n",
                JSON + "Accept: ///\r\nContent-Length: 2\r\n",
                JSON + "Transfer-Encoding: chunked\r\n",
                JSON + "Content-Length: 100\r\n");

        @Override
        void strike(int port, Random random) throws IOException {
            String head = heads.get(random.nextInt(heads.size()));
            String request =
                    "POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head + "\r\n{}zz\r\n";
            if (head.contains("100")) {
                send(port, request).close(); // in the middle of its body
            } else {
                exchange(port, request);
            }
        }
    };

    private static final String JSON = "Content-Type: application/json\r\n";
    private static final int PATIENCE_MILLIS = 60_000;

    /** One call of this kind. */
    abstract void strike(int port, Random random) throws IOException;

    private static String post(String path, String headers, String body) {
        return "POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "Content-Length: "
                + body.length() + "\r\n\r\n" + body;
    }

    private static Socket send(int port, String request) throws IOException {
        Socket socket = new Socket("127.0.0.1", port);
        socket.setSoTimeout(PATIENCE_MILLIS);
        OutputStream out = socket.getOutputStream();
        out.write(request.getBytes(StandardCharsets.ISO_8859_1));
        return socket;
    }

    /** Waits for the end of whatever comes back. */
    private static void exchange(int port, String request) throws IOException {
        byte[] buffer = new byte[1 << 16];
        try (Socket socket = send(port, request);
                InputStream in = socket.getInputStream()) {
            while (in.read(buffer) >= 0) {}
        } catch (SocketException e) {
            // Refused before all of it was sent.
        }
    }
}
