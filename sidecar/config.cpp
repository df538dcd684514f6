#include "config.hpp"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <span>
#include <string_view>
#include <thread>

extern char** environ;

namespace seqrec::sidecar {
namespace {

constexpr int kQueuePerConnection = 64;
constexpr std::size_t kMinTokenBytes = 16;
constexpr std::size_t kMaxTokenBytes = 512;
constexpr std::size_t kMaxIdentifier = 63;
constexpr std::string_view kTokenRange = "16 to 512 visible ASCII characters without spaces";
constexpr std::string_view kColumnRange = "the name of a column, at most 63 bytes";

/// One variable: how it is called, what it may be, and how its text becomes a field of Config.
struct Variable {
    std::string_view name;
    std::string_view fallback;  // empty: decided when the program starts, see `meaning`
    std::string_view range;
    std::string_view meaning;
    void (*apply)(const Variable&, std::string_view text, Config&);
    bool is_secret = false;
};

[[noreturn]] void refuse(const Variable& variable, std::string_view text) {
    if (variable.is_secret)
        throw ConfigError(std::string(variable.name) + " is not " + std::string(variable.range));
    throw ConfigError(std::string(variable.name) + ": \"" + std::string(text) + "\" is not " +
                      std::string(variable.range));
}

/// A whole number within the bounds written in the variable's own range, "... from LOW to HIGH".
long whole_number(const Variable& variable, std::string_view text) {
    long value = 0, low = 0, high = 0;
    const auto bounds = variable.range.substr(variable.range.find("from ") + 5);
    const auto separator = bounds.find(" to ");
    std::from_chars(bounds.data(), bounds.data() + separator, low);
    std::from_chars(bounds.data() + separator + 4, bounds.data() + bounds.size(), high);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < low || value > high)
        refuse(variable, text);
    return value;
}

template <auto Field>
void number(const Variable& variable, std::string_view text, Config& config) {
    using Type = std::remove_reference_t<decltype(config.*Field)>;
    config.*Field = static_cast<Type>(whole_number(variable, text));
}

template <auto Field>
void on_off(const Variable& variable, std::string_view text, Config& config) {
    if (text != "on" && text != "off") refuse(variable, text);
    config.*Field = text == "on";
}

bool is_ip_address(const std::string& host) {
    in6_addr buffer;
    return inet_pton(AF_INET, host.c_str(), &buffer) == 1 || inet_pton(AF_INET6, host.c_str(), &buffer) == 1;
}

/// A name without its place in the file system (`unix:@name`) is nobody's: whoever is first has it.
void socket_path(const Variable& variable, std::string_view text, Config& config) {
    const auto path = text.substr(kUnixPrefix.size());
    if (!path.starts_with('/') || path.ends_with('/') || path.size() >= sizeof(sockaddr_un::sun_path))
        refuse(variable, text);
    config.listen_host = text;
}

void listen_address(const Variable& variable, std::string_view text, Config& config) {
    if (text.starts_with(kUnixPrefix)) return socket_path(variable, text, config);
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) refuse(variable, text);
    auto host = std::string(text.substr(0, colon));
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (host == "localhost") host = "127.0.0.1";
    const bool is_v6 = host.find(':') != std::string::npos;
    const auto port = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), config.listen_port);
    if (!is_ip_address(host) || is_v6 != bracketed || error != std::errc() || port.empty() ||
        end != port.data() + port.size())
        refuse(variable, text);
    config.listen_host = host;
}

void file_mode(const Variable& variable, std::string_view text, Config& config) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), config.socket_mode, 8);
    if (error != std::errc() || end != text.data() + text.size() || (config.socket_mode & ~0666U) != 0)
        refuse(variable, text);
}

/// Calls `take` for each element of a list with commas; spaces around them do not count.
template <typename Take>
void each_of(std::string_view list, Take take) {
    while (!list.empty()) {
        const auto comma = std::min(list.find(','), list.size());
        auto element = list.substr(0, comma);
        list.remove_prefix(std::min(comma + 1, list.size()));
        while (element.starts_with(' ')) element.remove_prefix(1);
        while (element.ends_with(' ')) element.remove_suffix(1);
        take(std::string(element));
    }
}

std::string in_lower_case(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

/// A name or an address, in brackets if it is IPv6, as it stands in a URL before the port.
bool is_host(std::string_view text) {
    const bool bracketed = text.starts_with('[') && text.ends_with(']');
    if (bracketed) return is_ip_address(std::string(text.substr(1, text.size() - 2)));
    return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-._") == text.npos;
}

void host_names(const Variable& variable, std::string_view text, Config& config) {
    each_of(text, [&](std::string name) {
        name = in_lower_case(std::move(name));
        if (name.size() > 1 && name.ends_with('.')) name.pop_back();  // as a Host header's
        if (name != "*" && !is_host(name)) refuse(variable, text);
        config.hosts.push_back(std::move(name));
    });
}

/// SCHEME://HOST or SCHEME://HOST:PORT.
bool is_origin(std::string_view text) {
    if (!text.starts_with("http://") && !text.starts_with("https://")) return false;
    text.remove_prefix(text.find("//") + 2);
    const auto end = text.starts_with('[') ? text.find(']') + 1 : text.find(':');
    const auto port = text.substr(std::min(end, text.size()));
    return is_host(text.substr(0, end)) &&
           (port.empty() || (port.size() > 1 && port[0] == ':' &&
                             port.find_first_not_of("0123456789", 1) == std::string_view::npos));
}

void origins(const Variable& variable, std::string_view text, Config& config) {
    each_of(text, [&](std::string origin) {
        origin = in_lower_case(std::move(origin));
        if (!is_origin(origin)) refuse(variable, text);
        const std::string_view usual =
            origin.starts_with("https:") ? ":443" : ":80";  // which browsers leave out
        if (origin.ends_with(usual)) origin.erase(origin.size() - usual.size());
        config.cors_origins.push_back(std::move(origin));
    });
}

template <auto Field>
void connection_string(const Variable& variable, std::string_view text, Config& config) {
    config.*Field = text;
    char* message = nullptr;
    PQconninfoOption* options = PQconninfoParse((config.*Field).c_str(), &message);
    PQfreemem(message);  // never shown: libpq quotes the part it stumbles on, which may be a password
    if (!options) refuse(variable, text);
    PQconninfoFree(options);
}

/// Visible ASCII without spaces: what can stand in a header.
template <auto Field>
void token(const Variable& variable, std::string_view text, Config& config) {
    const auto is_visible = [](char c) { return c > ' ' && c < '\x7f'; };
    if (text.size() < kMinTokenBytes || text.size() > kMaxTokenBytes ||
        !std::ranges::all_of(text, is_visible))
        refuse(variable, text);
    if (!(config.*Field).empty())
        throw ConfigError(std::string(variable.name) +
                          ": the token is given twice, in a file and as a value");
    config.*Field = text;
}

template <auto Field>
void token_file(const Variable& variable, std::string_view path, Config& config) {
    std::ifstream file{std::string(path)};
    std::string text(kMaxTokenBytes + 2, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file.eof())
        throw ConfigError(std::string(variable.name) + ": cannot read a token from \"" + std::string(path) +
                          "\"");
    text.resize(static_cast<std::size_t>(file.gcount()));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    const Variable contents{variable.name, {}, kTokenRange, {}, nullptr, true};
    token<Field>(contents, text, config);
}

template <auto Group>
void relation(const Variable& variable, std::string_view text, Config& config) {
    if (text.size() > 2 * kMaxIdentifier + 1) refuse(variable, text);
    (config.*Group).table = text;
}

/// A longer name would be cut by PostgreSQL, and might fit another column.
template <auto Group, auto Field>
void column(const Variable& variable, std::string_view text, Config& config) {
    if (text.size() > kMaxIdentifier) refuse(variable, text);
    (config.*Group).*Field = text;
}

void model_name(const Variable& variable, std::string_view text, Config& config) {
    if (text.empty() || text.size() > 512) refuse(variable, text);
    config.model = text;
}

constexpr Variable kVariables[] = {
    {"SEQREC_LISTEN", "127.0.0.1:8080",
     "ADDRESS:PORT or [IPV6]:PORT with an IP address or localhost, or unix:/PATH",
     "where to listen; port 0 takes a free one; unix: a Unix socket, with a file PATH.lock beside it",
     listen_address},
    {"SEQREC_SOCKET_MODE", "0660", "an octal mode of the bits 0666",
     "permissions of the Unix socket: who may write to it may connect", file_mode},
    {"SEQREC_HOSTS", "", "names and addresses with commas between, without ports, or *",
     "what requests may name in their Host header beside loopback's names; *: anything; default: loopback's "
     "names alone "
     "on loopback without a read token, else anything",
     host_names},
    {"SEQREC_CORS_ORIGINS", "", "origins such as https://shop.example.org with commas between",
     "sites whose pages may ask from browsers (CORS); default: none but this service's own", origins},
    {"SEQREC_DSN", "", "a libpq connection string or URI",
     "the database; what it leaves out comes from libpq's PG* variables", connection_string<&Config::dsn>,
     true},
    {"SEQREC_ADMIN_DSN", "", "a libpq connection string or URI",
     "the database as routes that write see it, often with another user; default: as SEQREC_DSN",
     connection_string<&Config::admin_dsn>, true},
    {"SEQREC_READ_TOKEN", "", kTokenRange,
     "when set, requests need Authorization: Bearer with this token or the admin token; health, the API's "
     "description and the dashboard's files do not",
     token<&Config::read_token>, true},
    {"SEQREC_READ_TOKEN_FILE", "", "a file that holds the token", "the same, read from a file",
     token_file<&Config::read_token>},
    {"SEQREC_ADMIN_TOKEN", "", kTokenRange,
     "token of the routes that train, refresh, cancel and activate; without it they do not exist",
     token<&Config::admin_token>, true},
    {"SEQREC_ADMIN_TOKEN_FILE", "", "a file that holds the token", "the same, read from a file",
     token_file<&Config::admin_token>},
    {"SEQREC_EVENTS_TABLE", "", "the name of a table, with its schema if need be",
     "table that POST /events adds interactions to; without it that route does not exist. Not on loopback "
     "alone, "
     "it takes a token",
     relation<&Config::events>},
    {"SEQREC_EVENTS_USER_COLUMN", "user_id", kColumnRange, "its column of users",
     column<&Config::events, &InteractionTable::user_column>},
    {"SEQREC_EVENTS_ITEM_COLUMN", "item_id", kColumnRange, "its column of items",
     column<&Config::events, &InteractionTable::item_column>},
    {"SEQREC_EVENTS_TIME_COLUMN", "timestamp", kColumnRange, "its column of times",
     column<&Config::events, &InteractionTable::time_column>},
    {"SEQREC_TITLE_TABLE", "", "the name of a table, with its schema if need be",
     "table or view that GET /items takes the items' titles from", relation<&Config::titles>},
    {"SEQREC_TITLE_ID_COLUMN", "item_id", kColumnRange, "its column of items",
     column<&Config::titles, &TitleTable::id_column>},
    {"SEQREC_TITLE_COLUMN", "title", kColumnRange, "its column of titles",
     column<&Config::titles, &TitleTable::title_column>},
    {"SEQREC_MODEL", "default", "a model name of 1 to 512 bytes",
     "model of requests that name none; /readyz looks for it", model_name},
    {"SEQREC_POOL", "", "a whole number from 1 to 256",
     "database connections; default: one a core, since serving keeps a core busy", number<&Config::pool>},
    {"SEQREC_PIPELINE", "2", "a whole number from 1 to 16",
     "requests sent ahead on one connection before its first answer is back", number<&Config::pipeline>},
    {"SEQREC_BATCH", "64", "a whole number from 1 to 1000",
     "recommendations that are asked for at once when they wait for a connection; 1: never more than one",
     number<&Config::batch>},
    {"SEQREC_QUEUE", "", "a whole number from 1 to 100000",
     "requests that may wait for a connection; default: 64 a connection; above it 503",
     number<&Config::queue>},
    {"SEQREC_PREPARE", "on", "on or off",
     "prepared statements; off for a pooler in transaction mode that does not know them",
     on_off<&Config::prepare>},
    {"SEQREC_DEADLINE_MS", "2000", "a whole number from 10 to 600000",
     "time a request may take, waiting included; above it 504 and the query is cancelled",
     number<&Config::deadline>},
    {"SEQREC_CONNECT_TIMEOUT_MS", "5000", "a whole number from 100 to 600000",
     "time one attempt to reach the database may take", number<&Config::connect_timeout>},
    {"SEQREC_POOL_LIFETIME_S", "1800", "a whole number from 1 to 86400",
     "age at which a database connection is replaced, give or take a tenth",
     number<&Config::connection_lifetime>},
    {"SEQREC_MAX_BODY", "524288", "a whole number from 256 to 16777216",
     "largest request body in bytes; above it 413", number<&Config::max_body>},
    {"SEQREC_MAX_HEADER", "8192", "a whole number from 512 to 1048576",
     "largest request header in bytes; above it 431", number<&Config::max_header>},
    {"SEQREC_MAX_CONNECTIONS", "1024", "a whole number from 1 to 100000",
     "clients connected at once; above it 503", number<&Config::max_connections>},
    {"SEQREC_STREAMS", "64", "a whole number from 0 to 10000",
     "clients that may follow jobs at once, each with a connection; above it 503", number<&Config::streams>},
    {"SEQREC_READ_TIMEOUT_MS", "10000", "a whole number from 100 to 600000",
     "time a client has to send a header, to send a body, and to take an answer",
     number<&Config::read_timeout>},
    {"SEQREC_IDLE_TIMEOUT_MS", "75000", "a whole number from 100 to 3600000",
     "time a connection may stay open without a request", number<&Config::idle_timeout>},
    {"SEQREC_DRAIN_MS", "1000", "a whole number from 0 to 600000",
     "after SIGTERM, time to go on serving with /readyz at 503, so that balancers can look away",
     number<&Config::drain>},
    {"SEQREC_ACCESS_LOG", "on", "on or off", "one JSON object a request on standard output",
     on_off<&Config::access_log>},
    {"SEQREC_DASHBOARD", "on", "on or off", "the dashboard at /", on_off<&Config::dashboard>},
};

/// The variable's own text, "" counting as not set, as it does for libpq's.
std::string_view given(const Variable& variable) {
    const char* text = std::getenv(variable.name.data());  // names are literals: they end with a zero
    return text && *text ? std::string_view(text) : variable.fallback;
}

using OptionList = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

std::string masked_parameters(const std::string& dsn) {
    OptionList defaults(PQconndefaults(), PQconninfoFree);
    OptionList named(dsn.empty() ? nullptr : PQconninfoParse(dsn.c_str(), nullptr), PQconninfoFree);
    std::string text;
    // Both lists hold the same keywords in the same order; a value of the DSN stands before a PG* variable's.
    for (int i = 0; defaults && defaults.get()[i].keyword; ++i) {
        const auto& fallback = defaults.get()[i];
        const char* value = named && named.get()[i].val ? named.get()[i].val : fallback.val;
        if (!value || !*value) continue;
        const bool secret = std::string_view(fallback.dispchar) == "*";
        text += "  " + std::string(fallback.keyword) + "=" + (secret ? "********" : value) + "\n";
    }
    return text;
}

std::string effective_value(const Variable& variable, const Config& config) {
    if (variable.name == "SEQREC_POOL") return std::to_string(config.pool);
    if (variable.name == "SEQREC_QUEUE") return std::to_string(config.queue);
    const auto text = std::string(given(variable));
    return variable.is_secret && !text.empty() ? "********" : text;
}

}  // namespace

Config read_config() {
    Config config;
    for (const auto& variable : kVariables) {
        const auto text = given(variable);
        if (!text.empty()) variable.apply(variable, text, config);
    }
    if (config.pool == 0) config.pool = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    if (config.queue == 0) config.queue = kQueuePerConnection * config.pool;
    refuse_exposure(config, config.listen_host);
    return config;
}

bool is_loopback(const std::string& address) {
    boost::system::error_code error;
    const auto parsed = boost::asio::ip::make_address(address, error);
    if (error) return false;
    const bool is_mapped = parsed.is_v6() && parsed.to_v6().is_v4_mapped();
    return is_mapped ? make_address_v4(boost::asio::ip::v4_mapped, parsed.to_v6()).is_loopback()
                     : parsed.is_loopback();
}

void refuse_exposure(const Config& config, const std::string& address) {
    const bool is_local = address.starts_with(kUnixPrefix) || is_loopback(address);
    const bool has_token = !config.read_token.empty() || !config.admin_token.empty();
    if (is_local || has_token || config.events.table.empty()) return;
    throw ConfigError("SEQREC_EVENTS_TABLE: everybody who reaches " + address +
                      " could add interactions; set SEQREC_READ_TOKEN or SEQREC_ADMIN_TOKEN");
}

std::vector<std::string> unknown_variables() {
    std::vector<std::string> names;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view line = *entry;
        const auto name = line.substr(0, line.find('='));
        if (!name.starts_with("SEQREC_")) continue;
        const bool known =
            std::ranges::any_of(kVariables, [&](const Variable& variable) { return variable.name == name; });
        if (!known) names.emplace_back(name);
    }
    return names;
}

std::string help_text() {
    std::string text =
        "seqrec-http " SEQREC_VERSION
        ": recommendations, trainings and a dashboard over HTTP, from a PostgreSQL database with seqrec\n"
        "(GET /openapi.json describes every route)\n\n"
        "usage: seqrec-http [--help | --version | --print-config]\n\n"
        "Everything is set by the environment; libpq's own PG* variables say which database.\n\n";
    for (const auto& variable : kVariables) {
        text += "  " + std::string(variable.name) + "\n      " + std::string(variable.meaning) + "\n      " +
                std::string(variable.range);
        if (!variable.fallback.empty()) text += "; default " + std::string(variable.fallback);
        text += "\n";
    }
    return text + "\nExit status: 0 after SIGTERM or SIGINT, 1 when it cannot listen, 2 for a bad setting.\n";
}

std::string effective_config() {
    const Config config = read_config();
    std::string text;
    for (const auto& variable : kVariables)
        text += std::string(variable.name) + "=" + effective_value(variable, config) + "\n";
    text += "connection (libpq, secrets masked):\n" + masked_parameters(config.dsn);
    if (config.admin_dsn.empty()) return text;
    return text + "connection of routes that write:\n" + masked_parameters(config.admin_dsn);
}

}  // namespace seqrec::sidecar
