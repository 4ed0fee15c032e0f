package dev.sluice.architecture;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.simpleName;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The rules of the house as functions of its root package, so that a wrong house can be held against them too. */
public final class HouseRules {

    /** Which room may import which others; every room may import {@code runtime}. */
    private static final Map<String, List<String>> MAY_IMPORT = new LinkedHashMap<>();

    static {
        MAY_IMPORT.put("runtime", List.of());
        MAY_IMPORT.put("request", List.of());
        MAY_IMPORT.put("kv", List.of("request"));
        MAY_IMPORT.put("model", List.of("request"));
        MAY_IMPORT.put("sampling", List.of("request"));
        MAY_IMPORT.put("text", List.of("request", "model", "jinja"));
        MAY_IMPORT.put("offload", List.of("request", "kv"));
        MAY_IMPORT.put("scheduler", List.of("request", "kv", "executor", "offload"));
        MAY_IMPORT.put("admission", List.of("request", "scheduler"));
        MAY_IMPORT.put(
                "engine", List.of("request", "text", "model", "admission", "scheduler", "executor", "kv", "sampling"));
        MAY_IMPORT.put("api", List.of("request", "text", "model", "admission", "scheduler", "engine"));
        MAY_IMPORT.put("metrics", List.of("request", "scheduler", "offload", "admission", "api"));
    }

    /** The rooms of the CUDA executor: which may import which others of them. */
    private static final Map<String, List<String>> CUDA_MAY_IMPORT = new LinkedHashMap<>();

    static {
        CUDA_MAY_IMPORT.put("driver", List.of());
        CUDA_MAY_IMPORT.put("kernels", List.of("driver"));
        CUDA_MAY_IMPORT.put("products", List.of("driver", "kernels"));
        CUDA_MAY_IMPORT.put("weights", List.of("driver", "kernels", "products"));
        CUDA_MAY_IMPORT.put("step", List.of("driver", "kernels", "products", "weights"));
        CUDA_MAY_IMPORT.put("copies", List.of("driver"));
    }

    /** The tiers beyond the device: each of them may import the port, and none of them another. */
    private static final List<String> TIERS = List.of("host", "disk");

    /** Rooms of which others may import the port, but not what implements it. */
    private static final List<String> PORTS = List.of("executor", "offload");

    private static final List<String> CORE = List.of(
            "runtime", "request", "kv", "sampling", "jinja", "text", "model", "executor", "scheduler", "offload");

    private HouseRules() {}

    public static Map<String, ArchRule> of(String root) {
        Map<String, ArchRule> rules = new LinkedHashMap<>();
        MAY_IMPORT.forEach((room, allowed) -> rules.put("imports of " + room, imports(root, room, allowed)));
        rules.put("jinja stands alone", standsAlone(root, "jinja"));
        rules.put("imports of the executor port", executorPort(root));
        for (String kind : List.of("cpu", "cuda", "sim")) {
            rules.put("imports of executor." + kind, executorKind(root, kind));
        }
        rules.put("imports of the offload port", offloadPort(root));
        for (String tier : TIERS) {
            rules.put("imports of offload." + tier, tier(root, tier));
        }
        CUDA_MAY_IMPORT.forEach(
                (room, allowed) -> rules.put("imports of executor.cuda." + room, cudaRoom(root, room, allowed)));
        rules.put(
                "rooms of executor.cuda are free of cycles",
                slices().matching(root + ".executor.cuda.(*)..").should().beFreeOfCycles());
        rules.put(
                "nobody imports config",
                noClasses()
                        .that(resideInAPackage(root + "..").and(not(resideInAPackage(root + ".config.."))))
                        .and(not(simpleName("SluiceApplication")))
                        .should()
                        .dependOnClassesThat()
                        .resideInAPackage(root + ".config.."));
        rules.put(
                "rooms are free of cycles",
                slices().matching(root + ".(*)..").should().beFreeOfCycles());
        rules.put(
                "core knows no framework",
                noClasses()
                        .that(core(root))
                        .should()
                        .dependOnClassesThat()
                        .resideInAnyPackage(
                                "org.springframework..", "reactor..", "io.micrometer..", "io.github.resilience4j.."));
        rules.put(
                "only model and text read JSON in the core",
                noClasses()
                        .that(core(root))
                        .and(not(resideInAnyPackage(root + ".model..", root + ".text..")))
                        .should()
                        .dependOnClassesThat()
                        .resideInAPackage("tools.jackson.."));
        rules.put(
                "only executor.cuda links native code",
                noClasses()
                        .that(not(resideInAPackage(root + ".executor.cuda..")))
                        .should()
                        .dependOnClassesThat()
                        .haveFullyQualifiedName("java.lang.foreign.Linker"));
        rules.put(
                "only executor.cpu uses vectors",
                noClasses()
                        .that(not(resideInAPackage(root + ".executor.cpu..")))
                        .should()
                        .dependOnClassesThat()
                        .resideInAPackage("jdk.incubator.vector.."));
        rules.put(
                "only the system clock reads the time",
                noClasses()
                        .that(not(simpleName("SystemClock")))
                        .should()
                        .callMethod(System.class, "nanoTime")
                        .orShould()
                        .callMethod(System.class, "currentTimeMillis")
                        .orShould()
                        .callMethod(java.time.Instant.class, "now"));
        rules.put(
                "only Threads makes threads",
                noClasses()
                        .that(not(simpleName("Threads")))
                        .and(not(DescribedPredicate.describe(
                                "nested in Threads", c -> c.getName().contains("Threads$"))))
                        .should()
                        .callConstructor(Thread.class, Runnable.class)
                        .orShould()
                        .callMethod(Thread.class, "ofPlatform")
                        .orShould()
                        .callMethod(Thread.class, "ofVirtual")
                        .orShould()
                        .dependOnClassesThat()
                        .haveFullyQualifiedName("java.util.concurrent.Executors"));
        rules.put(
                "wire forms stay in the api",
                noClasses()
                        .that(not(resideInAPackage(root + ".api..")))
                        .should()
                        .dependOnClassesThat()
                        .resideInAPackage(root + ".api.wire.."));
        rules.put("only LiveSequences writes the state of a sequence", sequenceState(root));
        rules.put(
                "core classes are closed",
                classes().that(core(root)).and(topLevel()).should(beClosed()));
        rules.put(
                "nothing prints",
                noClasses().should().accessField(System.class, "out").orShould().accessField(System.class, "err"));
        rules.put(
                "loggers are private constants",
                fields().that()
                        .haveRawType("org.slf4j.Logger")
                        .should()
                        .bePrivate()
                        .andShould()
                        .beStatic()
                        .andShould()
                        .beFinal());
        rules.put("packages are null-marked", classes().that(topLevel()).should(beNullMarked()));
        return rules;
    }

    private static ArchRule sequenceState(String root) {
        String sequence = root + ".scheduler.Sequence";
        String queue = root + ".scheduler.WaitingQueue";
        List<String> moves = List.of("addFirst", "addLast", "remove");
        return noClasses()
                .that(not(simpleName("LiveSequences")).and(not(simpleName("Sequence"))))
                .and(not(simpleName("WaitingQueue")))
                .should()
                .setFieldWhere(DescribedPredicate.describe(
                        "it is a field of a sequence",
                        access -> access.getTarget().getOwner().getName().equals(sequence)))
                .orShould()
                .callMethodWhere(DescribedPredicate.describe(
                        "it moves a sequence in or out of the queue",
                        call -> call.getTarget().getOwner().getName().equals(queue)
                                && moves.contains(call.getTarget().getName())));
    }

    private static DescribedPredicate<JavaClass> core(String root) {
        return resideInAnyPackage(
                CORE.stream().map(room -> root + "." + room + "..").toArray(String[]::new));
    }

    private static ArchRule imports(String root, String room, List<String> allowed) {
        return onlyThese(root, room + "..", room, allowed);
    }

    private static ArchRule onlyThese(String root, String from, String own, List<String> allowed) {
        List<String> packages = new java.util.ArrayList<>(List.of(root + "." + own + "..", root + ".runtime.."));
        allowed.forEach(other -> packages.add(root + "." + (PORTS.contains(other) ? other : other + "..")));
        return noClasses()
                .that(resideInAPackage(root + "." + from))
                .should()
                .dependOnClassesThat(
                        resideInAPackage(root + "..").and(not(resideInAnyPackage(packages.toArray(String[]::new)))));
    }

    /** Could be a library of its own: nothing but the JDK and annotations, not even {@code runtime}. */
    private static ArchRule standsAlone(String root, String room) {
        return classes()
                .that(resideInAPackage(root + "." + room + ".."))
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(root + "." + room + "..", "java..", "org.jspecify..");
    }

    private static ArchRule executorPort(String root) {
        return noClasses()
                .that(resideInAPackage(root + ".executor"))
                .should()
                .dependOnClassesThat(resideInAPackage(root + "..")
                        .and(not(resideInAnyPackage(
                                root + ".executor", root + ".request..", root + ".kv..", root + ".runtime.."))));
    }

    private static ArchRule executorKind(String root, String kind) {
        return onlyThese(
                root,
                "executor." + kind + "..",
                "executor." + kind,
                List.of("executor", "kv", "model", "sampling", "request"));
    }

    private static ArchRule offloadPort(String root) {
        return noClasses()
                .that(resideInAPackage(root + ".offload"))
                .should()
                .dependOnClassesThat(
                        resideInAPackage(root + ".offload..").and(not(resideInAPackage(root + ".offload"))));
    }

    private static ArchRule tier(String root, String tier) {
        return onlyThese(root, "offload." + tier + "..", "offload." + tier, List.of("offload", "kv", "request"));
    }

    /** Nor may a room import the root of the CUDA executor, which puts the rooms together. */
    private static ArchRule cudaRoom(String root, String room, List<String> allowed) {
        String cuda = root + ".executor.cuda";
        List<String> packages = new java.util.ArrayList<>(List.of(cuda + "." + room + ".."));
        allowed.forEach(other -> packages.add(cuda + "." + other + ".."));
        return noClasses()
                .that(resideInAPackage(cuda + "." + room + ".."))
                .should()
                .dependOnClassesThat(
                        resideInAPackage(cuda + "..").and(not(resideInAnyPackage(packages.toArray(String[]::new)))));
    }

    private static DescribedPredicate<JavaClass> topLevel() {
        return DescribedPredicate.describe(
                "top level",
                type -> type.isTopLevelClass() && !type.getSimpleName().equals("package-info"));
    }

    private static ArchCondition<JavaClass> beClosed() {
        return new ArchCondition<>("be final, sealed, a record, an enum or an interface") {
            @Override
            public void check(JavaClass type, ConditionEvents events) {
                boolean closed = type.isInterface()
                        || type.isEnum()
                        || type.isRecord()
                        || type.getModifiers().contains(JavaModifier.FINAL)
                        || type.reflect().isSealed();
                if (!closed) {
                    events.add(SimpleConditionEvent.violated(type, type.getName() + " can be extended"));
                }
            }
        };
    }

    private static ArchCondition<JavaClass> beNullMarked() {
        return new ArchCondition<>("reside in a @NullMarked package") {
            @Override
            public void check(JavaClass type, ConditionEvents events) {
                if (!type.getPackage().isAnnotatedWith("org.jspecify.annotations.NullMarked")) {
                    events.add(SimpleConditionEvent.violated(
                            type, type.getName() + " is in a package without @NullMarked"));
                }
            }
        };
    }
}
