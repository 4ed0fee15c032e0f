package dev.sluice.api;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.HexFormat;
import org.springframework.web.server.ServerWebExchange;

/** Who calls, as far as shares and turns go: the holder of a key, or else everybody at one address. */
final class Caller {

    private static final String ATTRIBUTE = Caller.class.getName();
    private static final int NETWORK_BYTES = 8; // one household has as many IPv6 addresses below these as it likes

    private Caller() {}

    /** Says which of the keys was given. */
    static void holdsKey(ServerWebExchange exchange, int key) {
        exchange.getAttributes().put(ATTRIBUTE, "key " + key);
    }

    static String of(ServerWebExchange exchange) {
        String key = exchange.getAttribute(ATTRIBUTE);
        if (key != null) {
            return key;
        }
        InetSocketAddress remote = exchange.getRequest().getRemoteAddress();
        InetAddress address = remote == null ? null : remote.getAddress();
        if (address == null) {
            return "unknown";
        }
        byte[] bytes = address.getAddress();
        return HexFormat.of().formatHex(address instanceof Inet6Address ? Arrays.copyOf(bytes, NETWORK_BYTES) : bytes);
    }
}
