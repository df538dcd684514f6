#include "core/kinds/model_config.hpp"

#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace seqrec {

using nlohmann::json;

void corrupted_model(const std::string& what) {
    throw Error(sqlstate::kDataCorrupted, "model is not valid: " + what, "Train the model again.");
}

std::int64_t whole_number(const json& config, const char* name, std::int64_t most) {
    const json& value = config.at(name);
    if (!value.is_number_integer()) corrupted_model(std::string(name) + " is no whole number");
    const auto number = value.get<std::int64_t>();
    if (number < 1 || number > most) corrupted_model(std::string(name) + " is out of range");
    return number;
}

void check_width(const json& options) {
    const std::int64_t dim = options.at("dim"), heads = options.at("heads");
    if (dim % 8 != 0 || dim % heads != 0)
        throw Error(sqlstate::kInvalidParameter, "option \"dim\" must be a multiple of 8 and of \"heads\"",
                    "Try dim " + std::to_string((dim + 8 * heads - 1) / (8 * heads) * 8 * heads) + ".");
}

}  // namespace seqrec
