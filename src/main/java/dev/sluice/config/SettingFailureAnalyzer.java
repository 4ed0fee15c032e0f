package dev.sluice.config;

import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.bind.BindException;
import org.springframework.boot.context.properties.bind.UnboundConfigurationPropertiesException;
import org.springframework.boot.context.properties.bind.validation.BindValidationException;
import org.springframework.boot.context.properties.source.ConfigurationProperty;
import org.springframework.boot.context.properties.source.InvalidConfigurationPropertyValueException;
import org.springframework.boot.diagnostics.FailureAnalysis;
import org.springframework.boot.diagnostics.FailureAnalyzer;
import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.util.unit.DataSize;
import org.springframework.validation.FieldError;
import org.springframework.validation.ObjectError;

/**
 * Says in one sentence which setting stops the start, and where it stands. Never its value, unlike the framework's own
 * analyzers, which this one precedes: a secret under a misspelt key would be in the log.
 */
@Order(Ordered.HIGHEST_PRECEDENCE)
final class SettingFailureAnalyzer implements FailureAnalyzer {

    @Override
    public @Nullable FailureAnalysis analyze(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            String sentence = sentence(cause);
            if (sentence != null) {
                // The cause is logged at debug level, and the original one quotes the value.
                return new FailureAnalysis(
                        "Sluice cannot start: " + sentence, null, new IllegalSettingException(sentence));
            }
        }
        return null;
    }

    private static @Nullable String sentence(Throwable failure) {
        return switch (failure) {
            case IllegalSettingException known -> known.getMessage();
            case InvalidConfigurationPropertyValueException value -> value.getName() + " has a value it cannot have";
            case BindException bind -> of(bind);
            default -> null;
        };
    }

    private static String of(BindException failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof UnboundConfigurationPropertiesException unbound) {
                return unbound.getUnboundProperties().stream()
                                .map(SettingFailureAnalyzer::place)
                                .collect(Collectors.joining(", "))
                        + ": there is no such setting";
            }
            if (cause instanceof BindValidationException broken) {
                return broken.getValidationErrors().getAllErrors().stream()
                        .map(error -> rule(broken, error))
                        .collect(Collectors.joining("; "));
            }
        }
        ConfigurationProperty property = failure.getProperty();
        String place = property == null ? failure.getName().toString() : place(property);
        return place + " must be " + form(failure.getTarget().getType().resolve(Object.class));
    }

    private static String rule(BindValidationException broken, ObjectError error) {
        String name = broken.getValidationErrors().getName()
                + (error instanceof FieldError field ? "." + dashed(field.getField()) : "");
        return name + " " + Objects.requireNonNullElse(error.getDefaultMessage(), "has a value it cannot have");
    }

    private static String dashed(String field) {
        return field.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
    }

    private static String place(ConfigurationProperty property) {
        return property.getName() + (property.getOrigin() == null ? "" : " (" + property.getOrigin() + ")");
    }

    private static String form(Class<?> type) {
        if (type.isEnum()) {
            return "one of "
                    + Arrays.stream(type.getEnumConstants())
                            .map(constant -> constant.toString().toLowerCase(Locale.ROOT))
                            .collect(Collectors.joining(", "));
        }
        if (type == DataSize.class) {
            return "a size such as 4GB";
        }
        if (type == Duration.class) {
            return "a time such as 30s";
        }
        if (type == boolean.class || type == Boolean.class) {
            return "true or false";
        }
        boolean whole = type == int.class || type == Integer.class || type == long.class || type == Long.class;
        return whole
                ? "a whole number within " + (type == int.class || type == Integer.class ? "32" : "64") + " bits"
                : "of the type " + type.getSimpleName();
    }
}
