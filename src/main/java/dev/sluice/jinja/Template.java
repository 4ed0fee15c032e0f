package dev.sluice.jinja;

import java.time.InstantSource;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** A parsed template; safe for use by many threads. */
public final class Template {

    private static final int RANGE_MAX = 100_000; // the bound of Jinja's own sandbox

    private final List<Node> body;

    private Template(List<Node> body) {
        this.body = body;
    }

    /** @throws TemplateException of kind SYNTAX, naming the line */
    public static Template parse(String source) {
        return new Template(Parser.parse(source));
    }

    /**
     * Renders the template.
     *
     * @param own variables that are the server's own, as {@code bos_token}
     * @param client variables that hold what the client sent, in JSON shapes
     * @param nanos a clock that never goes back, for the limit of time
     * @param now what {@code strftime_now} shows
     * @throws TemplateException if the template fails, raises, or outruns a limit
     */
    public Text render(
            Map<String, @Nullable String> own,
            Map<String, ? extends @Nullable Object> client,
            TemplateLimits limits,
            LongSupplier nanos,
            InstantSource now) {
        Scope scope = new Scope(null);
        addFunctions(scope, now);
        own.forEach((name, value) -> scope.set(name, value == null ? Text.EMPTY : Text.own(value)));
        client.forEach((name, value) -> scope.set(name, Values.fromClient(value)));
        try {
            return new Renderer(new Budget(nanos, limits)).render(body, scope);
        } catch (StackOverflowError e) {
            throw new TemplateException(TemplateException.Kind.LIMIT, "the chat template nests too deeply");
        }
    }

    private static void addFunctions(Scope scope, InstantSource now) {
        function(scope, "raise_exception", (args, named) -> {
            throw new TemplateException(
                    TemplateException.Kind.RAISED,
                    args.isEmpty() ? "" : Values.print(args.getFirst()).chars());
        });
        function(
                scope,
                "strftime_now",
                (args, named) -> Text.own(time(Values.text(args.getFirst()).chars(), now)));
        function(scope, "range", (args, named) -> range(args));
        function(scope, "namespace", (args, named) -> {
            Renderer.Namespace namespace = new Renderer.Namespace();
            namespace.putAll(named);
            return namespace;
        });
        function(scope, "dict", (args, named) -> named);
    }

    private static void function(Scope scope, String name, Callable callable) {
        scope.set(name, callable);
    }

    private static List<@Nullable Object> range(List<@Nullable Object> args) {
        long from = args.size() > 1 ? Values.integer(args.get(0)) : 0;
        long to = Values.integer(args.size() > 1 ? args.get(1) : args.getFirst());
        long step = args.size() > 2 ? Values.integer(args.get(2)) : 1;
        List<@Nullable Object> values = new ArrayList<>();
        for (long i = from; step > 0 ? i < to : i > to; i += step) {
            if (values.size() == RANGE_MAX || step == 0) {
                throw new TemplateException(
                        TemplateException.Kind.LIMIT, "the chat template asks for a range above " + RANGE_MAX);
            }
            values.add(i);
        }
        return values;
    }

    /** C's {@code strftime}, the directives that dates are written with. */
    private static String time(String format, InstantSource source) {
        LocalDateTime now = LocalDateTime.ofInstant(source.instant(), ZoneOffset.UTC);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '%' || i + 1 == format.length()) {
                out.append(c);
                continue;
            }
            String pattern = switch (format.charAt(++i)) {
                case 'd' -> "dd";
                case 'e' -> "d";
                case 'm' -> "MM";
                case 'b' -> "MMM";
                case 'B' -> "MMMM";
                case 'y' -> "yy";
                case 'Y' -> "yyyy";
                case 'H' -> "HH";
                case 'I' -> "hh";
                case 'M' -> "mm";
                case 'S' -> "ss";
                case 'p' -> "a";
                case 'a' -> "EEE";
                case 'A' -> "EEEE";
                case 'j' -> "DDD";
                case 'F' -> "yyyy-MM-dd";
                case 'T' -> "HH:mm:ss";
                case '%' -> "'%'";
                default -> throw TemplateException.evaluation("strftime_now does not know '%" + format.charAt(i) + "'");
            };
            out.append(DateTimeFormatter.ofPattern(pattern, Locale.US).format(now));
        }
        return out.toString();
    }
}
