#include "kinds/weights.hpp"

#include "data/dataset.hpp"

namespace seqrec::trainer {

at::Tensor Weights::ask(const Dataset& data, std::span<const Question> questions) const {
    Histories histories;
    std::vector<std::int32_t> users;
    for (const Question& question : questions) {
        histories.push_back(data.sequence(question.user).first(static_cast<std::size_t>(question.at)));
        users.push_back(data.asker(question));
    }
    return encode(histories, users);
}

}  // namespace seqrec::trainer
