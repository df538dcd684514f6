#include "run/encode_command.hpp"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kinds/trainer_kind.hpp"

namespace seqrec::trainer {

int run_encode(const std::string& model, const std::string& requests) try {
    at::set_num_threads(1);
    const SafetensorsFile opened = SafetensorsFile::open(model);
    const auto weights = read_weights(opened);
    std::ifstream file(requests);
    const nlohmann::json asked = nlohmann::json::parse(file);
    std::vector<std::vector<std::int32_t>> clicks;
    std::vector<std::int32_t> users;
    for (const nlohmann::json& request : asked) {
        clicks.push_back(request.at("clicks"));
        users.push_back(request.at("user"));
    }
    const at::Tensor vectors = weights->encode({clicks.begin(), clicks.end()}, users);
    nlohmann::json answer = nlohmann::json::array();
    for (std::int64_t row = 0; row < vectors.size(0); ++row) {
        const float* values = vectors.data_ptr<float>() + row * vectors.size(1);
        answer.push_back(std::vector<float>(values, values + vectors.size(1)));
    }
    std::puts(answer.dump().c_str());
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}

}  // namespace seqrec::trainer
