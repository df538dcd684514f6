#include "core/kinds/encoder.hpp"

namespace seqrec {

std::vector<std::string> Encoder::unknown_context(const nlohmann::json& context) const {
    std::vector<std::string> keys;
    for (const auto& [key, value] : context.items()) keys.push_back(key);
    return keys;
}

}  // namespace seqrec
