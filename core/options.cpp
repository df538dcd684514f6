#include "core/options.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using enum OptionType;

constexpr OptionSpec kTransformer[] = {
    {"members", Integer, 1, 8, "null", "", "networks that are trained one after the other and averaged"},
    {"dim", Integer, 8, 1024, "64", "", "width of the embeddings; a multiple of 8 and of heads"},
    {"layers", Integer, 1, 16, "null", "", "Transformer blocks"},
    {"heads", Integer, 1, 16, "1", "", "attention heads"},
    {"max_len", Integer, 2, 1024, "null", "", "latest clicks the model looks at"},
    {"dropout", Real, 0, 0.9, "null", "", "dropout rate"},
    {"user_dropout", Real, 0, 1, "0.5", "", "share of sequences trained without their user embedding"},
    {"temperature", Real, 0.001, 10, "0.05", "", "divisor of the cosine in the softmax"},
    {"epochs", Integer, 1, 100000, "null", "", "most passes over the data"},
    {"batch_tokens", Integer, 16, 1048576, "null", "", "clicks in one step"},
    {"sampled_items", Integer, 0, 1048576, "null", "",
     "items drawn to stand for the catalogue in one step; 0 = all items"},
    {"learning_rate", Real, 1e-8, 1, "null", "", "AdamW's peak step size"},
    {"cool_down", Real, 0, 1, "null", "",
     "last share of the training, in which the learning rate falls to 0"},
    {"weight_decay", Real, 0, 1, "0.01", "", "AdamW's weight decay"},
    {"seed", Integer, 0, 9007199254740991.0, "1", "", "start of the random numbers"},
    {"threads", Integer, 0, 1024, "0", "", "threads of the trainer; 0 = all cores"},
    {"patience", Integer, 1, 100000, "5", "", "validations without a better NDCG@10 before it stops"},
    {"holdout", Text, 0, 0, "\"refit\"", "refit|keep",
     "refit = train a little further on the held-out interactions before serving; keep = never"},
    {"device", Text, 0, 0, "\"auto\"", "auto|cpu|cuda",
     "where steps are computed; auto = a GPU when libtorch finds one"},
    {"precision", Text, 0, 0, "\"auto\"", "auto|float32|bfloat16",
     "what matrix products round their factors to; auto = bfloat16 where the CPU has it"},
    {"index", Text, 0, 0, "\"auto\"", "auto|none|ivf",
     "ivf = group items so that a search reads a few groups; auto = where reading all takes long"},
    {"init_from", Text, 0, 0, "null", "",
     "model or version whose weights the training starts from, for a retraining on a grown table"},
    {"max_seconds", Real, 1, 31536000, "null", "",
     "longest training time, in seconds, without indexing and publishing"},
    {"activate", Text, 0, 0, "\"always\"", "always|better|never",
     "whether the version is served once it is trained; better = unless the active one ranks the same "
     "held-out rows better"},
};

struct Kind {
    std::string_view name;
    std::span<const OptionSpec> specs;
};
constexpr Kind kKinds[] = {{"transformer", kTransformer}};

[[noreturn]] void refuse(const std::string& message, const std::string& hint) {
    throw Error(sqlstate::kInvalidParameter, message, hint);
}

const OptionSpec& find_spec(std::string_view kind, const std::string& key) {
    std::string names;
    for (const OptionSpec& spec : option_specs(kind)) {
        if (spec.name == key) return spec;
        names += (names.empty() ? "" : ", ") + std::string(spec.name);
    }
    refuse("unknown option \"" + key + "\"", "Options of kind \"" + std::string(kind) + "\": " + names + ".");
}

std::string number(double value) {
    return json(value == static_cast<std::int64_t>(value) ? json(static_cast<std::int64_t>(value))
                                                          : json(value))
        .dump();
}

std::string expectation(const OptionSpec& spec) {
    const std::string name(spec.name);
    switch (spec.type) {
        case Integer:
            return name + " is an integer from " + number(spec.minimum) + " to " + number(spec.maximum) + ".";
        case Real:
            return name + " is a number from " + number(spec.minimum) + " to " + number(spec.maximum) + ".";
        case Boolean:
            return name + " is true or false.";
        case Text:
            if (spec.choices.empty()) return name + " is a text.";
            return name + " is one of: " + std::string(spec.choices) + ".";
    }
    return name;
}

bool is_choice(std::string_view choices, std::string_view word) {
    while (!choices.empty()) {
        const std::size_t bar = choices.find('|');
        if (choices.substr(0, bar) == word) return true;
        choices = bar == std::string_view::npos ? "" : choices.substr(bar + 1);
    }
    return false;
}

bool has_type(const OptionSpec& spec, const json& value) {
    switch (spec.type) {
        case Integer:
            return value.is_number_integer() ||
                   (value.is_number_float() && value.get<double>() == std::trunc(value.get<double>()));
        case Real:
            return value.is_number();
        case Boolean:
            return value.is_boolean();
        case Text:
            return value.is_string();
    }
    return false;
}

json check_value(const OptionSpec& spec, const json& value) {
    const std::string name(spec.name);
    if (!has_type(spec, value)) refuse("option \"" + name + "\" has the wrong type", expectation(spec));
    if (spec.type == Text && !spec.choices.empty() &&
        !is_choice(spec.choices, value.get_ref<const std::string&>()))
        refuse("invalid value for option \"" + name + "\"", expectation(spec));
    if (spec.type == Integer || spec.type == Real) {
        const double number_value = value.get<double>();
        if (!(number_value >= spec.minimum && number_value <= spec.maximum))
            refuse(value.dump() + " is out of range for option \"" + name + "\"", expectation(spec));
        if (spec.type == Integer) return static_cast<std::int64_t>(number_value);
    }
    return value;
}

void check_together(const json& options) {
    const std::int64_t dim = options.at("dim"), heads = options.at("heads");
    if (dim % 8 != 0 || dim % heads != 0)
        refuse("option \"dim\" must be a multiple of 8 and of \"heads\"",
               "Try dim " + std::to_string((dim + 8 * heads - 1) / (8 * heads) * 8 * heads) + ".");
}

}  // namespace

std::span<const OptionSpec> option_specs(std::string_view kind) {
    std::string names;
    for (const Kind& known : kKinds) {
        if (known.name == kind) return known.specs;
        names += (names.empty() ? "" : ", ") + std::string(known.name);
    }
    refuse("unknown model kind \"" + std::string(kind) + "\"", "Known kinds: " + names + ".");
}

json adopt_shape(json given, const json& config) {
    for (const char* name : {"members", "dim", "layers", "heads", "max_len"}) {
        json& option = given[name];
        if (option.is_null()) option = config.at(name);
        if (option != config.at(name))
            refuse("option \"" + std::string(name) + "\" differs from the model to start from",
                   "Leave it out: it has " + config.at(name).dump() +
                       ", and its weights can't change their shape.");
    }
    return given;
}

json resolve_options(std::string_view kind, const json& given) {
    if (!given.is_object())
        refuse("options must be a JSON object", R"(Write them as in '{"dim": 64, "epochs": 20}'.)");
    json resolved = json::object();
    for (const OptionSpec& spec : option_specs(kind))
        resolved[std::string(spec.name)] = json::parse(spec.default_json);
    for (const auto& [key, value] : given.items()) {
        const OptionSpec& spec = find_spec(kind, key);
        if (value.is_null()) continue;  // null asks for the default
        resolved[key] = check_value(spec, value);
    }
    check_together(resolved);
    return resolved;
}

}  // namespace seqrec
