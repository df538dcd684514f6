// Trained weights of any kind: all that ranking, the index, `encode` and the model file know of a model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "files/tensor_file.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

class Dataset;
struct Question;

/// Item indexes before each question, oldest first.
/// 每个问题之前的物品下标，最早的在前。
using Histories = std::vector<std::span<const std::int32_t>>;

/// Whether a table of users' rows keeps anything of them: one of width 0 says that the model does without.
/// 用户行表是否保存内容：宽度为 0 表示模型不保存用户向量。
inline bool keeps_users(const at::Tensor& user_rows) { return user_rows.size(1) > 0; }

/// Items are rows, whoever asks is a query: score(user, item) = query . row. Safe to use from several
/// threads.
/// 物品为行，请求者为查询：score(user, item) = query · row。可多线程使用。
class Weights {
  public:
    virtual ~Weights() = default;

    /// What queries are multiplied with, [items, width]; `item.embedding` of the model file.
    /// 与查询相乘的矩阵 [物品数, 宽度]，即模型文件的 item.embedding。
    virtual at::Tensor item_rows() const = 0;
    /// The query of each user after a history, [n, width]; a user is -1 when unknown. What they share in
    /// core/ is tested to 1e-4.
    /// 每个用户在其历史之后的查询 [n, 宽度]；未知用户为 -1。
    virtual at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const = 0;
    /// The query of each of several questions, [n, width]: that of encode() after what the asker had before, unless more is
    /// known of the moment.
    /// 各问题的查询 [n, 宽度]：即提问者此前历史的 encode()，除非对提问时刻另有所知。
    virtual at::Tensor ask(const Dataset& data, std::span<const Question> questions) const;
    /// `user.embedding` of the model file, [users, any width, 0 for none]: see keeps_users().
    /// 模型文件的 user.embedding，宽度任意，可为 0，见 keeps_users()。
    virtual at::Tensor user_rows() const = 0;
    /// All further tensors under the names that the model file gives them.
    /// 其余张量，以模型文件中的名称给出。
    virtual std::vector<NamedTensor> tensors() const = 0;
};

}  // namespace seqrec::trainer
