#include "core/options.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/kinds/kind.hpp"
#include "core/side_options.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using enum OptionType;

/// Of every kind, beside its own.
constexpr OptionSpec kCommon[] = {
    {"seed", Integer, 0, 9007199254740991.0, "1", "", "start of the random numbers"},
    {"threads", Integer, 0, 1024, "0", "", "threads of the trainer; 0 = all cores"},
    {"holdout", Text, 0, 0, "\"refit\"", "refit|keep",
     "refit = train a little further on the held-out interactions before serving; keep = never"},
    {"index", Text, 0, 0, "\"auto\"", "auto|none|ivf",
     "ivf = group items so that a search reads a few groups; auto = where that pays"},
    {"repeats", Text, 0, 0, "\"auto\"", "auto|keep|first",
     "keep = an item that comes again counts each time; first = once; auto = keep where many come again"},
    {"merge_seconds", Real, 0, 31536000, "null", "",
     "the same item right after itself within so many seconds counts once; null = each time"},
    {"split", Text, 0, 0, "\"leave_one_out\"", "leave_one_out|time",
     "what is held out to measure: the last two interactions of a user, or the last fifth of all by time"},
    {"holdout_share", Real, 0, 1, "1", "",
     "with split leave_one_out: of how many users the last interactions are held out; the others teach all "
     "they did"},
    {"init_from", Text, 0, 0, "null", "",
     "model or version whose weights the training starts from, for a retraining on a grown table"},
    {"max_seconds", Real, 1, 31536000, "null", "",
     "longest training time, in seconds, without indexing and publishing"},
    {"activate", Text, 0, 0, "\"always\"", "always|better|never",
     "whether the version is served once it is trained; better = unless the active one ranks the same "
     "held-out rows better"},
};

[[noreturn]] void refuse(const std::string& message, const std::string& hint) {
    throw Error(sqlstate::kInvalidParameter, message, hint);
}

/// Who leaves the kind out may mean another one.
std::string others_that_have(const std::string& key) {
    for (const Kind* kind : kinds())
        for (const OptionSpec& spec : option_specs(kind->name))
            if (spec.name == key) return "It is an option of kind \"" + std::string(kind->name) + "\". ";
    return {};
}

const OptionSpec& find_spec(const std::vector<OptionSpec>& specs, std::string_view kind,
                            const std::string& key) {
    std::string names;
    for (const OptionSpec& spec : specs) {
        if (spec.name == key) return spec;
        names += (names.empty() ? "" : ", ") + std::string(spec.name);
    }
    refuse("unknown option \"" + key + "\"",
           others_that_have(key) + "Options of kind \"" + std::string(kind) + "\": " + names + ".");
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
        case Json:
            return name + ": " + std::string(spec.meaning) + ".";
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
        case Json:
            return true;
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

void check_holdout(const json& options) {
    if (options.at("split") == "time" && options.at("holdout_share") != 1)
        refuse("holdout_share is of users, and split at time holds out what came last of all",
               "Leave holdout_share out, or set split to leave_one_out.");
}

}  // namespace

std::vector<OptionSpec> option_specs(std::string_view kind) {
    const Kind& known = find_kind(kind);
    const auto own = known.options;
    std::vector<OptionSpec> specs(own.begin(), own.end());
    const auto is_own = [&](const OptionSpec& common) {
        return std::ranges::any_of(own, [&](const OptionSpec& spec) { return spec.name == common.name; });
    };
    std::ranges::remove_copy_if(side_options(known.needs), std::back_inserter(specs), is_own);
    std::ranges::remove_copy_if(kCommon, std::back_inserter(specs), is_own);
    return specs;
}

json adopt_shape(std::string_view kind, json given, const json& config) {
    for (const std::string_view shape : find_kind(kind).shape) {
        const std::string name(shape);
        json& option = given[name];
        if (option.is_null()) option = config.at(name);
        if (option != config.at(name))
            refuse("option \"" + name + "\" differs from the model to start from",
                   "Leave it out: it has " + config.at(name).dump() +
                       ", and its weights can't change their shape.");
    }
    return given;
}

json complete_options(std::string_view kind, const json& given) {
    if (!given.is_object())
        refuse("options must be a JSON object", R"(Write them as in '{"seed": 7, "max_seconds": 600}'.)");
    const std::vector<OptionSpec> specs = option_specs(kind);
    json resolved = json::object();
    for (const OptionSpec& spec : specs) resolved[std::string(spec.name)] = json::parse(spec.default_json);
    for (const auto& [key, value] : given.items()) {
        const OptionSpec& spec = find_spec(specs, kind, key);
        if (value.is_null()) continue;  // null asks for the default
        resolved[key] = check_value(spec, value);
    }
    return resolved;
}

json resolve_options(std::string_view kind, const json& given) {
    json resolved = complete_options(kind, given);
    check_holdout(resolved);
    check_side_options(resolved);
    if (const auto check = find_kind(kind).check) check(resolved);
    return resolved;
}

}  // namespace seqrec
