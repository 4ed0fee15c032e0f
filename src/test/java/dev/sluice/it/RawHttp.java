package dev.sluice.it;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/** Requests over plain sockets, byte by byte as they are written: client libraries would repair them. */
final class RawHttp {

    private RawHttp() {}

    static String post(String headers, String body) {
        return "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                + body.length() + "\r\n" + headers + "Connection: close\r\n\r\n" + body;
    }

    static String get(String path, String headers) {
        return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "Connection: close\r\n\r\n";
    }

    /** What comes back until the server closes; it must close within some seconds. Characters are sent as single bytes. */
    static String exchange(String base, String... parts) {
        try (Socket socket = connect(base)) {
            OutputStream out = socket.getOutputStream();
            try {
                for (String part : parts) {
                    out.write(part.getBytes(StandardCharsets.ISO_8859_1));
                    out.flush();
                }
            } catch (SocketException e) {
                // It has heard enough; what it has said is still there to be read, or not.
            }
            return readAll(socket.getInputStream());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    static Socket connect(String base) throws IOException {
        Socket socket = new Socket("localhost", URI.create(base).getPort());
        socket.setSoTimeout(20_000);
        return socket;
    }

    static String readAll(InputStream in) throws IOException {
        StringBuilder answer = new StringBuilder();
        byte[] buffer = new byte[1 << 16];
        try {
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                answer.append(new String(buffer, 0, n, StandardCharsets.ISO_8859_1));
            }
        } catch (SocketTimeoutException e) {
            throw new AssertionError("the server does not close; so far it has said: " + answer, e);
        } catch (SocketException e) {
            return answer.toString(); // reset, since it did not read all
        }
        return answer.toString();
    }

    static int responses(String answer) {
        return answer.split("HTTP/1\\.1 ", -1).length - 1;
    }
}
