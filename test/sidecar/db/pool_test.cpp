// The pool against a server that fails in every way.
#include "db/pool.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <map>
#include <string>
#include <vector>

#include "api/database_problem.hpp"
#include "db/arrays.hpp"
#include "db/fake_database.hpp"

namespace seqrec::sidecar {
namespace {

using std::chrono::milliseconds;
using Strings = std::vector<std::string>;

constexpr Statement kAsk = {"ask", "SELECT one", 1, 0};

PoolSettings settings_of(const FakeDatabase& database) {
    PoolSettings settings;
    settings.connection = {database.dsn(), "", false, milliseconds(5000), std::chrono::seconds(1800)};
    settings.batch = 64;
    settings.queue = 1000;
    settings.deadline = milliseconds(2000);
    return settings;
}

/// Who is asked for in a question, in their order.
Strings askers(const FakeQuestion& question) {
    Strings names;
    for (const auto& name : decode_texts(*question.parameters.at(0))) names.emplace_back(name.value_or(""));
    return names;
}

class Pooled : public ::testing::Test {
  protected:
    void open(const PoolSettings& settings) {
        pool.emplace(loop, tasks, settings);
        pool->start();
    }

    Query query_of(const std::string& asker) {
        Query query{&kAsk, {{encode_array(Strings{asker}), true}}};
        query.joinable = true;
        return query;
    }

    void ask(Query query, const std::string& name) {
        pool->submit(std::move(query), [this, name](Outcome outcome) { answers.emplace(name, outcome); });
    }

    void ask(const std::string& asker) { ask(query_of(asker), asker); }

    void ask_to_write(const std::string& name) {
        Query query{&kAsk, {{encode_array(Strings{name}), true}}};
        query.repeatable = false;
        ask(std::move(query), name);
    }

    /// Runs the loop until something is so; false when it is not after a while.
    template <typename Condition>
    bool comes(Condition condition, milliseconds limit = milliseconds(10000)) {
        const auto end = Clock::now() + limit;
        while (!condition() && Clock::now() < end) loop.run_one_for(milliseconds(20));
        return condition();
    }

    bool comes_open(std::size_t connections) {
        return comes([&] { return pool->state().open == connections; });
    }

    bool is_answered(const std::string& name) { return answers.contains(name); }

    /// The text of an answer; of an error what the client is told, and whether to ask again.
    std::string answer_to(const std::string& name) {
        if (!comes([&] { return is_answered(name); })) return "nothing";
        const auto& outcome = answers.at(name);
        if (const auto* rows = std::get_if<Rows>(&outcome)) return std::string(rows->text(0, 0));
        const auto problem = to_problem(std::get<DatabaseError>(outcome), "r1");
        return problem.kind + (problem.retry_after.count() > 0 ? ", again" : "");
    }

    boost::asio::io_context loop;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{loop.get_executor()};
    BlockingTasks tasks{loop};
    FakeDatabase database{loop};
    std::optional<Pool> pool;
    std::map<std::string, Outcome> answers;
};

// --- asked for together ---

class Together : public Pooled {
  protected:
    /// All wait for one connection, so that they are sent together.
    void ask_all(const Strings& names) {
        open(settings_of(database));
        ASSERT_TRUE(comes_open(1));
        std::optional<FakeQuestion> first;
        database.on_question = [&](const FakeQuestion& question) { first = question; };
        ask("first");
        ASSERT_TRUE(comes([&] { return first.has_value(); }));
        database.on_question = [this](const FakeQuestion& question) {
            asked.push_back(askers(question));
            reply(question);
        };
        for (const auto& name : names) ask(name);
        first->answer({"first"});
        ASSERT_EQ(answer_to("first"), "first");
        ASSERT_TRUE(comes([&] { return answers.size() == names.size() + 1; })) << answers.size();
    }

    std::vector<Strings> asked;
    std::function<void(const FakeQuestion&)> reply;
};

/// Reads rows in their order until it comes to somebody slow; who is asked for alone has all the time there is.
void answer_until_slow(const FakeQuestion& question) {
    auto rows = askers(question);
    auto slow = rows.size() > 1 ? std::ranges::find_if(rows, [](const auto& row) { return row[0] == 's'; })
                                : rows.end();
    for (; slow != rows.end(); ++slow) slow->clear();
    question.answer(rows);
}

TEST_F(Together, WhoStandsBehindSomebodySlowIsAskedForTogetherAgain) {
    reply = answer_until_slow;
    ask_all({"a", "slow", "b", "c", "d"});
    const std::vector<Strings> wanted = {{"a", "slow", "b", "c", "d"}, {"b", "c", "d"}, {"slow"}};
    EXPECT_EQ(asked, wanted);
    for (const auto* name : {"a", "slow", "b", "c", "d"}) EXPECT_EQ(answer_to(name), name);
}

TEST_F(Together, EachRoundLeavesOneAlone) {
    reply = answer_until_slow;
    ask_all({"s1", "s2", "a", "s3", "b"});
    for (const auto* name : {"s1", "s2", "a", "s3", "b"}) EXPECT_EQ(answer_to(name), name);
    std::map<std::string, int> alone;
    for (const auto& names : asked)
        if (names.size() == 1) ++alone[names[0]];
    EXPECT_EQ(alone, (std::map<std::string, int>{{"s1", 1}, {"s2", 1}, {"s3", 1}, {"b", 1}}));
}

TEST_F(Together, NobodyIsAskedForForEver) {
    reply = [](const FakeQuestion& question) { question.answer(Strings(askers(question).size())); };
    ask_all({"a", "b", "c", "d"});
    EXPECT_EQ(asked.size(), 3U + 4U);  // of four, three and two, and each alone
    for (const auto* name : {"a", "b", "c", "d"}) EXPECT_EQ(answer_to(name), "");
}

TEST_F(Together, AFailureIsAskedForAlone) {
    reply = [](const FakeQuestion& question) {
        const auto names = askers(question);
        std::ranges::count(names, "bad") ? question.refuse("22023") : question.answer(names);
    };
    ask_all({"a", "bad", "b"});
    const std::vector<Strings> wanted = {{"a", "bad", "b"}, {"a"}, {"bad"}, {"b"}};
    EXPECT_EQ(asked, wanted);
    EXPECT_EQ(answer_to("bad"), "refused-by-database");
    EXPECT_EQ(answer_to("b"), "b");
}

}  // namespace
}  // namespace seqrec::sidecar
