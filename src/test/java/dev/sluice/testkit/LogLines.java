package dev.sluice.testkit;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import ch.qos.logback.core.AppenderBase;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Predicate;
import org.slf4j.LoggerFactory;

/** What is logged from {@link #record} or {@link #recordThread} on. */
public final class LogLines implements AutoCloseable {

    private final Predicate<ILoggingEvent> wanted;
    private final Queue<ILoggingEvent> events = new ConcurrentLinkedQueue<>();
    private final AppenderBase<ILoggingEvent> appender = new AppenderBase<>() {
        @Override
        protected void append(ILoggingEvent event) {
            if (wanted.test(event)) {
                event.prepareForDeferredProcessing();
                events.add(event);
            }
        }
    };

    private LogLines(Predicate<ILoggingEvent> wanted) {
        this.wanted = wanted;
    }

    /** Everything that the process logs. */
    public static LogLines record() {
        return record(event -> true);
    }

    /** What the calling thread logs: a timer that another test has left behind is not heard. */
    public static LogLines recordThread() {
        String thread = Thread.currentThread().getName();
        return record(event -> event.getThreadName().equals(thread));
    }

    private static LogLines record(Predicate<ILoggingEvent> wanted) {
        LogLines lines = new LogLines(wanted);
        lines.appender.start();
        root().addAppender(lines.appender);
        return lines;
    }

    private static Logger root() {
        return (Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
    }

    /** Messages at this level or above, each with the name of its logger. */
    public List<String> at(Level level) {
        return events.stream()
                .filter(event -> event.getLevel().isGreaterOrEqual(level))
                .map(event -> event.getLevel() + " " + event.getLoggerName() + ": " + event.getFormattedMessage())
                .toList();
    }

    /** How many lines they take in a file, stack traces included. */
    public int lines() {
        int lines = 0;
        for (ILoggingEvent event : events) {
            lines += (int) event.getFormattedMessage().lines().count();
            for (IThrowableProxy failure = event.getThrowableProxy(); failure != null; failure = failure.getCause()) {
                lines += 1 + failure.getStackTraceElementProxyArray().length;
            }
        }
        return lines;
    }

    /** Forgets what there was. */
    public void clear() {
        events.clear();
    }

    @Override
    public void close() {
        root().detachAppender(appender);
    }
}
