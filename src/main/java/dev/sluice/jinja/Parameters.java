package dev.sluice.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Binds the arguments of a call to the names of its parameters; what has no parameter is an error, as in Python. */
final class Parameters {

    private Parameters() {}

    /** What was given, by name. */
    static Map<String, @Nullable Object> bound(
            String callee,
            List<String> parameters,
            List<@Nullable Object> positional,
            Map<String, @Nullable Object> named) {
        if (positional.size() > parameters.size()) {
            throw TemplateException.evaluation(
                    "'" + callee + "' takes at most " + parameters.size() + " arguments, got " + positional.size());
        }
        Map<String, @Nullable Object> bound = new LinkedHashMap<>();
        for (int i = 0; i < positional.size(); i++) {
            bound.put(parameters.get(i), positional.get(i));
        }
        named.forEach((name, value) -> {
            if (!parameters.contains(name) || bound.containsKey(name)) {
                throw TemplateException.evaluation("'" + callee + "' cannot take the argument '" + name + "'");
            }
            bound.put(name, value);
        });
        return bound;
    }

    /** What was given, in order; a parameter left out before one that was given is None. */
    static List<@Nullable Object> positional(
            String callee,
            List<String> parameters,
            List<@Nullable Object> positional,
            Map<String, @Nullable Object> named) {
        Map<String, @Nullable Object> bound = bound(callee, parameters, positional, named);
        List<@Nullable Object> all = new ArrayList<>();
        for (int i = 0; all.size() < parameters.size() && i < parameters.size(); i++) {
            all.add(bound.remove(parameters.get(i)));
            if (bound.isEmpty()) {
                break;
            }
        }
        return positional.isEmpty() && named.isEmpty() ? List.of() : all;
    }
}
