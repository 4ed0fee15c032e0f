package dev.sluice.api;

import java.nio.charset.StandardCharsets;

/**
 * Writes server-sent events byte by byte: {@code data: } with one space, which many clients take for part of the format,
 * one line of JSON, an empty line.
 */
final class SseEncoder {

    static final byte[] DONE = "data: [DONE]\n\n".getBytes(StandardCharsets.UTF_8);
    static final byte[] KEEP_ALIVE = ": keep-alive\n\n".getBytes(StandardCharsets.UTF_8);

    private static final byte[] DATA = "data: ".getBytes(StandardCharsets.UTF_8);
    private static final byte[] ERROR = "event: error\ndata: ".getBytes(StandardCharsets.UTF_8);

    private SseEncoder() {}

    static byte[] data(Object part) {
        return framed(DATA, ApiJson.bytes(part));
    }

    /** The last event of a stream that failed: clients of every kind recognise the name or the member. */
    static byte[] error(ApiError error) {
        return framed(ERROR, ApiErrorWriter.body(error));
    }

    private static byte[] framed(byte[] prefix, byte[] json) {
        byte[] frame = new byte[prefix.length + json.length + 2];
        System.arraycopy(prefix, 0, frame, 0, prefix.length);
        System.arraycopy(json, 0, frame, prefix.length, json.length);
        frame[frame.length - 2] = '\n';
        frame[frame.length - 1] = '\n';
        return frame;
    }
}
