package dev.sluice.jinja;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Something that a template can call: a built-in function, a method bound to its object, a macro. */
interface Callable {

    @Nullable
    Object call(List<@Nullable Object> positional, Map<String, @Nullable Object> named);
}
