package dev.sluice.api.connection;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.turbo.TurboFilter;
import ch.qos.logback.core.spi.FilterReply;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.LineBudget;
import io.netty.util.ResourceLeakDetector;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.ILoggerFactory;
import org.slf4j.LoggerFactory;
import org.slf4j.Marker;
import org.slf4j.helpers.MessageFormatter;
import org.springframework.beans.factory.DisposableBean;
import reactor.core.publisher.Hooks;

/**
 * Stands between the log and those libraries that handle what clients send. They take a bad request for an event of the
 * server, worth an error with a stack trace and the head of the request, keys included. Here it becomes one line, at most a
 * warning, without anything but the first line of the message, and few of them. Their lines below a warning pass.
 */
public final class LogGate extends TurboFilter implements DisposableBean {

    private static final org.slf4j.Logger LOG = LoggerFactory.getLogger(LogGate.class);
    private static final List<String> GATED =
            List.of("reactor.", "io.netty.", "org.springframework.web.", "org.springframework.http.");
    private static final String LEAKS =
            ResourceLeakDetector.class.getName(); // no client causes these, and all lines help
    private static final int MESSAGE_MAX = 400;
    private static final int LINES_MAX = 1;
    private static final Duration INTERVAL = Duration.ofSeconds(10);

    private final Clock clock;
    private final Map<String, LineBudget> budgets = new ConcurrentHashMap<>(); // by logger, of which there are few

    private LogGate(Clock clock) {
        this.clock = clock;
    }

    /** Puts a gate before the log, if it is Logback's. */
    public static LogGate install(Clock clock) {
        LogGate gate = new LogGate(clock);
        if (context() instanceof LoggerContext logback) {
            gate.setContext(logback);
            gate.start();
            logback.addTurboFilter(gate);
        }
        // What comes after a call has ended, as when a client goes away, concerns nobody.
        Hooks.onErrorDropped(failure -> LOG.debug("An error came after the end of its call", failure));
        return gate;
    }

    private static ILoggerFactory context() {
        return LoggerFactory.getILoggerFactory();
    }

    @Override
    public FilterReply decide(
            @Nullable Marker marker,
            Logger logger,
            Level level,
            @Nullable String format,
            Object @Nullable [] params,
            @Nullable Throwable failure) {
        if (format == null
                || !level.isGreaterOrEqual(Level.WARN)
                || !isGated(logger.getName())
                || !level.isGreaterOrEqual(logger.getEffectiveLevel())) {
            return FilterReply.NEUTRAL;
        }
        long suppressed = budgets.computeIfAbsent(logger.getName(), name -> new LineBudget(clock, LINES_MAX, INTERVAL))
                .take();
        if (suppressed >= 0) {
            String more = suppressed == 0 ? "" : " (" + suppressed + " more lines of this kind were suppressed)";
            LOG.warn("{}: {}{}", logger.getName(), summary(format, params, failure), more);
        }
        return FilterReply.DENY;
    }

    private static boolean isGated(String logger) {
        for (String prefix : GATED) {
            if (logger.startsWith(prefix)) {
                return !logger.equals(LEAKS);
            }
        }
        return false;
    }

    private static String summary(String format, Object @Nullable [] params, @Nullable Throwable failure) {
        String message = MessageFormatter.basicArrayFormat(format, params);
        Throwable cause = failure;
        if (cause == null
                && params != null
                && params.length > 0
                && params[params.length - 1] instanceof Throwable last) {
            cause = last;
        }
        return firstLine(message) + (cause == null ? "" : ": " + firstLine(cause.toString()));
    }

    private static String firstLine(String text) {
        String line = text.lines().findFirst().orElse("");
        String cut = line.length() <= MESSAGE_MAX ? line : line.substring(0, MESSAGE_MAX) + "...";
        return cut.replaceAll("[^\\x20-\\x7e]", "?");
    }

    /** Takes the gate away. */
    @Override
    public void destroy() {
        if (context() instanceof LoggerContext logback) {
            logback.getTurboFilterList().remove(this);
        }
    }
}
