// The pool against a server that fails in every way.
#include "db/pool.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

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
    settings.connection = {database.dsn(), {}, false, milliseconds(5000), std::chrono::seconds(1800)};
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

// --- who is sent ahead ---

/// One sits behind a slow query only where all connections have one.
TEST_F(Pooled, NobodyIsSentAheadBehindASlowQueryWhileOthersAreQuick) {
    auto settings = settings_of(database);
    settings.size = 2;
    settings.pipeline = 2;
    settings.batch = 1;
    open(settings);
    ASSERT_TRUE(comes_open(2));
    std::map<std::string, FakeQuestion> questions;
    database.on_question = [&](const FakeQuestion& question) {
        questions.emplace(askers(question)[0], question);
    };
    ask("slow");
    ASSERT_TRUE(comes([&] { return questions.contains("slow"); }));
    comes([] { return false; }, milliseconds(100));
    const auto is_behind_the_slow = [&](const std::string& name) {
        ask(name);
        EXPECT_TRUE(comes([&] { return questions.contains(name); })) << name;
        return questions.at(name).session == questions.at("slow").session;
    };
    EXPECT_FALSE(is_behind_the_slow("a"));
    EXPECT_FALSE(is_behind_the_slow("b"));  // ahead
    comes([] { return false; }, milliseconds(100));
    EXPECT_TRUE(is_behind_the_slow("c"));  // by now all are slow
}

// --- connections that go ---

class Lost : public Pooled {
  protected:
    void open_two() {
        auto settings = settings_of(database);
        settings.size = 2;
        open(settings);
        ASSERT_TRUE(comes_open(2));
        database.receive = [](int) { return FakeDatabase::Reception::Silence; };
    }

    /// The first question is not answered but ended so; all that come after are answered.
    void end_first(std::function<void(const FakeQuestion&)> how) {
        database.on_question = [this, how](const FakeQuestion& question) {
            if (++questions == 1) return how(question);
            question.answer(askers(question));
        };
    }

    int questions = 0;
};

/// The timer that one success cancels is set again by the next failure.
TEST_F(Lost, NoConnectionStaysClosedForLackOfATimer) {
    database.receive = [](int number) {
        return number == 2  ? FakeDatabase::Reception::Late
               : number < 5 ? FakeDatabase::Reception::HungUp
                            : FakeDatabase::Reception::Greeted;
    };
    auto settings = settings_of(database);
    settings.size = 2;
    open(settings);
    ASSERT_TRUE(comes([&] { return pool->statistics().connect_failures == 1; }));
    database.greet_the_late();
    EXPECT_TRUE(comes_open(2));
}

TEST_F(Lost, AHostThatVanishesIsLeftForTheOneInItsPlace) {
    auto settings = settings_of(database);
    settings.size = 4;
    settings.deadline = milliseconds(200);
    open(settings);
    ASSERT_TRUE(comes_open(4));
    database.vanish();
    int asked = 0;
    const auto ask_on = [&](auto condition, milliseconds limit) {
        const auto end = Clock::now() + limit;
        while (!condition() && Clock::now() < end) {
            ask(std::to_string(++asked));
            comes([] { return false; }, milliseconds(20));
        }
        return condition();
    };
    ASSERT_TRUE(ask_on([&] { return pool->state().open == 0; }, milliseconds(5000)));
    ask_on([] { return false; },
           milliseconds(1500));  // some attempts to connect have begun, and hear nothing
    database.come_back();
    EXPECT_TRUE(ask_on([&] { return pool->state().open > 0; }, milliseconds(2000)));
    ask("then");
    EXPECT_EQ(answer_to("then"), "answer");
    EXPECT_TRUE(comes_open(4));
}

/// Of several hosts the first may be the one that is gone.
TEST_F(Lost, AHostThatSaysNothingIsPassedOver) {
    FakeDatabase silent(loop);
    silent.vanish();
    auto settings = settings_of(database);
    const auto port = [](const std::string& dsn) {
        return dsn.substr(dsn.find("port="), dsn.find(" user") - dsn.find("port="));
    };
    settings.connection.dsn = "host=127.0.0.1,127.0.0.1 " + port(silent.dsn()) + "," +
                              port(database.dsn()).substr(5) +
                              " user=u dbname=d sslmode=disable gssencmode=disable";
    settings.connection.connect_timeout = milliseconds(200);
    open(settings);
    EXPECT_TRUE(comes_open(1));
    pool.reset();
}

/// A query may end by itself while its cancel is on its way to nowhere.
TEST_F(Lost, ACancelThatDoesNotReturnHoldsNoConnectionForEver) {
    auto settings = settings_of(database);
    settings.deadline = milliseconds(200);
    open(settings);
    ASSERT_TRUE(comes_open(1));
    std::optional<FakeQuestion> held;
    database.on_question = [&](const FakeQuestion& question) { held = question; };
    database.hold_cancels = true;
    ask("a");
    EXPECT_EQ(answer_to("a"), "deadline-exceeded");
    ASSERT_TRUE(comes([&] { return database.cancels == 1; }));
    held->refuse("57014");
    database.on_question = [](const FakeQuestion& question) { question.answer(askers(question)); };
    EXPECT_TRUE(comes([this] {
        answers.erase("b");
        ask("b");
        return answer_to("b") == "b";
    }));
}

TEST_F(Lost, AReadIsAskedAgainAtOnce) {
    open_two();
    end_first([](const FakeQuestion& question) { question.hang_up(); });
    ask("a");
    EXPECT_EQ(answer_to("a"), "a");
}

TEST_F(Lost, AReadThatARestartEndedIsAskedAgain) {
    open_two();
    end_first([](const FakeQuestion& question) { question.hang_up("57P01"); });
    ask("a");
    EXPECT_EQ(answer_to("a"), "a");
    EXPECT_EQ(questions, 2);
}

/// What ends all connections is over before the deadline of those who were being answered.
TEST_F(Lost, AReadOutlivesARestart) {
    open(settings_of(database));
    ASSERT_TRUE(comes_open(1));
    database.receive = [](int number) {
        return number < 4 ? FakeDatabase::Reception::HungUp : FakeDatabase::Reception::Greeted;
    };
    end_first([](const FakeQuestion& question) { question.hang_up("57P01"); });
    ask("a");
    EXPECT_EQ(answer_to("a"), "a");
}

TEST_F(Lost, WithoutADatabaseAReadIsGivenUpAtItsDeadline) {
    auto settings = settings_of(database);
    settings.deadline = milliseconds(300);
    open(settings);
    ASSERT_TRUE(comes_open(1));
    database.receive = [](int) { return FakeDatabase::Reception::HungUp; };
    end_first([](const FakeQuestion& question) { question.hang_up(); });
    ask("a");
    EXPECT_EQ(answer_to("a"), "database-unavailable, again");
}

TEST_F(Lost, AReadThatEndsConnectionsIsAskedTwiceAtMost) {
    open(settings_of(database));
    ASSERT_TRUE(comes_open(1));
    database.on_question = [this](const FakeQuestion& question) {
        ++questions;
        question.hang_up("57P01");
    };
    ask("a");
    EXPECT_EQ(answer_to("a"), "database-unavailable, again");
    EXPECT_EQ(questions, 2);
}

// --- writes ---

class Written : public Lost {
  protected:
    /// What is told of a write that the server ended so.
    std::string told(std::function<void(const FakeQuestion&)> how) {
        open_two();
        end_first(std::move(how));
        ask_to_write("w");
        const auto answer = answer_to("w");
        EXPECT_EQ(questions, 1) << "asked again";
        return answer;
    }
};

TEST_F(Written, WithoutAWordItsOutcomeIsNotKnown) {
    EXPECT_EQ(told([](const FakeQuestion& question) { question.hang_up(); }), "outcome-unknown");
}

/// What comes before the end of a transaction may still come to nothing.
TEST_F(Written, AnAnswerIsNotTheEnd) {
    const auto half = [](const FakeQuestion& question) {
        question.answer_half({"1"});
        question.hang_up();
    };
    EXPECT_EQ(told(half), "outcome-unknown");
}

/// A commit may be on the disk when the server ends its session.
TEST_F(Written, LastWordsAfterAnAnswerSayNothingOfIt) {
    const auto half = [](const FakeQuestion& question) {
        question.answer_half({"1"});
        question.hang_up("57P01");
    };
    EXPECT_EQ(told(half), "outcome-unknown");
}

TEST_F(Written, WhatTheServerEndedBeforeAnyAnswerIsUndone) {
    EXPECT_EQ(told([](const FakeQuestion& question) { question.hang_up("57P01"); }),
              "database-unavailable, again");
}

TEST_F(Written, AtTheDeadlineItsOutcomeIsNotKnown) {
    auto settings = settings_of(database);
    settings.deadline = milliseconds(200);
    open(settings);
    ASSERT_TRUE(comes_open(1));
    end_first([](const FakeQuestion&) {});
    ask_to_write("sent");
    ask_to_write("waiting");
    EXPECT_EQ(answer_to("sent"), "outcome-unknown");
    EXPECT_EQ(answer_to("waiting"), "deadline-exceeded");
}

TEST_F(Written, WhenAllEndsItsOutcomeIsNotKnown) {
    open(settings_of(database));
    ASSERT_TRUE(comes_open(1));
    end_first([](const FakeQuestion&) {});
    ask_to_write("sent");
    ask_to_write("waiting");
    ASSERT_TRUE(comes([this] { return questions == 1; }));
    pool->stop();
    EXPECT_EQ(answer_to("sent"), "outcome-unknown");
    EXPECT_EQ(answer_to("waiting"), "database-unavailable, again");
}

// --- settings ---

class Set : public Pooled {
  protected:
    void open_set(bool read_only, bool prepare) {
        auto settings = settings_of(database);
        settings.connection.session = SessionSettings(milliseconds(1800), read_only, "");
        settings.connection.prepare = prepare;
        open(settings);
        ASSERT_TRUE(comes_open(1));
    }

    /// How often settings have been told after so many questions, one after the other.
    std::vector<std::size_t> told(int questions) {
        std::vector<std::size_t> counts;
        for (int i = 0; i < questions; ++i) {
            answers.clear();
            ask("a");
            EXPECT_EQ(answer_to("a"), "answer");
            counts.push_back(database.settings.size());
        }
        return counts;
    }
};

/// A session of its own is set once, together with its first question.
TEST_F(Set, ASessionOfItsOwnIsToldOnce) {
    for (const bool prepare : {true, false}) {
        database.settings.clear();
        open_set(true, prepare);
        EXPECT_EQ(told(3), (std::vector<std::size_t>{1, 1, 1}));
        auto settings = database.settings.front();
        settings.erase(settings.begin() + 1);  // the client's port, at which the database has looked
        const FakeQuestion::Parameters wanted = {"1", "1800", "force_generic_plan", "error", "ISO", "t"};
        EXPECT_EQ(settings, wanted);
        pool->stop();
    }
}

/// A pooler gives the next transaction to another session.
TEST_F(Set, APoolersIsToldWithEachTransaction) {
    database.is_pooler = true;
    for (const bool prepare : {true, false}) {
        database.settings.clear();
        open_set(true, prepare);
        EXPECT_EQ(told(3), (std::vector<std::size_t>{1, 2, 3}));
        pool->stop();
    }
    EXPECT_EQ(database.writes, 0);
}

/// What a failed transaction has set is gone.
TEST_F(Set, AnErrorTakesThemAlong) {
    open_set(true, true);
    database.on_question = [](const FakeQuestion& question) { question.refuse("22023"); };
    ask("a");
    EXPECT_EQ(answer_to("a"), "refused-by-database");
    database.on_question = [](const FakeQuestion& question) { question.answer({"answer"}); };
    EXPECT_EQ(told(2), (std::vector<std::size_t>{2, 2}));
}

TEST_F(Set, TheNextSessionIsToldToo) {
    open_set(true, true);
    EXPECT_EQ(told(1), (std::vector<std::size_t>{1}));
    database.on_question = [this](const FakeQuestion& question) {
        question.hang_up();
        database.on_question = [](const FakeQuestion& next) { next.answer({"answer"}); };
    };
    EXPECT_EQ(told(1), (std::vector<std::size_t>{2}));
}

/// A role's default may be to write nothing.
TEST_F(Set, AWriteSaysThatItIsOne) {
    database.is_pooler = true;
    open_set(false, true);
    told(2);
    EXPECT_EQ(database.writes, 2);
    EXPECT_EQ(database.settings.front().back(), "f");
}

TEST_F(Set, AStandbyTakesNoWrites) {
    open_set(false, true);
    database.on_question = [](const FakeQuestion& question) { question.refuse_settings("0A000"); };
    ask_to_write("w");
    ASSERT_TRUE(comes([this] { return is_answered("w"); }));
    EXPECT_EQ(std::get<DatabaseError>(answers.at("w")).sqlstate, "25006");
    database.on_question = [](const FakeQuestion& question) { question.answer({"answer"}); };
    EXPECT_EQ(told(1).size(), 1U);  // what was not prepared is prepared
}

/// Options of the user's own win where answers don't rely on them.
TEST(SessionSettings, LeaveWhatTheUserSays) {
    const SessionSettings settings(
        milliseconds(1800), true,
        "-c Statement_Timeout=0 --client-min-messages=notice -c TimeZone=Asia/Dubai");
    const auto queries = settings.queries(7, "unix:5432");
    ASSERT_EQ(queries.size(), 1U);
    const std::vector<Parameter> wanted = {{"7"}, {"unix:5432"}, {},   {"force_generic_plan"},
                                           {},    {"ISO"},       {"t"}};
    EXPECT_EQ(queries[0].parameters, wanted);
}

// --- memory ---

/// A long deadline is no reason to keep what has its answer, behind one that has none.
TEST_F(Pooled, KeepsNothingOfWhatIsAnswered) {
    auto settings = settings_of(database);
    settings.size = 2;
    settings.deadline = std::chrono::minutes(10);
    open(settings);
    ASSERT_TRUE(comes_open(2));
    database.on_question = [](const FakeQuestion& question) {
        if (askers(question)[0] != "first") question.answer({"answer"});
    };
    ask("first");
    const auto ask_many = [this](int count) {
        for (int i = 0; i < count; ++i) {
            answers.clear();
            ask(std::string(50000, 'x'));
            ASSERT_TRUE(comes([this] { return !answers.empty(); }, milliseconds(2000)));
        }
    };
    ask_many(100);
    const auto before = mallinfo2().uordblks;
    ask_many(2000);
    EXPECT_LT(mallinfo2().uordblks, before + 500000);
}

/// What waits behind a query that does not end is let go at its own deadline, not at the other's end.
TEST_F(Pooled, KeepsNothingOfWhatWasGivenUp) {
    constexpr std::size_t kBytes = 200000, kRequests = 100;
    auto settings = settings_of(database);
    settings.deadline = milliseconds(200);
    settings.pipeline = 1;
    open(settings);
    ASSERT_TRUE(comes_open(1));
    database.on_question = [](const FakeQuestion&) {};
    database.hold_cancels = true;
    ask("first");
    const auto before = mallinfo2();
    for (std::size_t i = 0; i < kRequests; ++i) ask(query_of(std::string(kBytes, 'x')), std::to_string(i));
    const auto held = [](const auto& now) { return now.uordblks + now.hblkhd; };
    EXPECT_GT(held(mallinfo2()), held(before) + kRequests * kBytes / 2) << "counts nothing";
    comes([] { return false; }, milliseconds(50));
    Query urgent = query_of("first in the queue, and longest");
    urgent.urgent = true;
    ask(std::move(urgent), "urgent");
    ASSERT_TRUE(comes([&] { return answers.size() >= kRequests + 1; }));
    const auto after = mallinfo2();
    for (std::size_t i = 0; i < kRequests; ++i) EXPECT_EQ(answer_to(std::to_string(i)), "deadline-exceeded");
    EXPECT_LT(held(after), held(before) + 5 * kBytes);
}

/// Nor of what nobody waits for any more.
TEST(Ticket, LetsItsParametersGo) {
    Ticket ticket;
    ticket.query = {&kAsk, {{"x"}}};
    ticket.done = [](Outcome) {};
    ticket.finish(DatabaseError{});
    EXPECT_TRUE(ticket.query.parameters.empty());
    EXPECT_EQ(ticket.query.statement, &kAsk);
}

}  // namespace
}  // namespace seqrec::sidecar
