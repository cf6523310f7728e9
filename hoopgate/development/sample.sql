-- The demo's shop. What stands before and after the line "-- rows" runs before and after the rows are loaded.
SET client_min_messages = warning;
BEGIN;
CREATE SCHEMA billing;

CREATE TABLE customers (
    id            integer PRIMARY KEY,
    full_name     text NOT NULL,
    email         text NOT NULL UNIQUE,
    phone         text NOT NULL,
    street        text NOT NULL,
    city          text NOT NULL,
    country       char(2) NOT NULL,
    card_number   text,
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL
);
CREATE TABLE products (
    id       integer PRIMARY KEY,
    sku      text NOT NULL UNIQUE,
    name     text NOT NULL,
    category text NOT NULL,
    price    numeric(10, 2) NOT NULL,
    stock    integer NOT NULL CHECK (stock >= 0)
);
CREATE TABLE orders (
    id          integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    placed_at   timestamptz NOT NULL,
    status      text NOT NULL CHECK (status IN ('paid', 'shipped', 'delivered', 'returned', 'cancelled')),
    total       numeric(10, 2) NOT NULL
);
CREATE TABLE order_items (
    order_id   integer NOT NULL REFERENCES orders,
    product_id integer NOT NULL REFERENCES products,
    quantity   integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(10, 2) NOT NULL,
    PRIMARY KEY (order_id, product_id)
);
CREATE TABLE billing.payments (
    id       integer PRIMARY KEY,
    order_id integer NOT NULL REFERENCES orders,
    method   text NOT NULL CHECK (method IN ('card', 'transfer', 'voucher')),
    iban     text,
    amount   numeric(10, 2) NOT NULL,
    paid_at  timestamptz NOT NULL
);
CREATE TABLE tickets (
    id          integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    opened_at   timestamptz NOT NULL,
    subject     text NOT NULL,
    body        text NOT NULL,
    state       text NOT NULL CHECK (state IN ('open', 'waiting', 'closed')),
    priority    text NOT NULL CHECK (priority IN ('low', 'normal', 'high'))
);
CREATE TABLE carts (
    id          integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    product_id  integer NOT NULL REFERENCES products,
    quantity    integer NOT NULL CHECK (quantity > 0),
    updated_at  timestamptz NOT NULL
);
CREATE TABLE staff (
    id        integer PRIMARY KEY,
    full_name text NOT NULL,
    email     text NOT NULL UNIQUE,
    job       text NOT NULL,
    password  text NOT NULL,
    api_token text NOT NULL
);

-- rows
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON tickets (customer_id);
CREATE INDEX ON carts (customer_id);
CREATE SEQUENCE tickets_id OWNED BY tickets.id START 100001;
ALTER TABLE tickets ALTER COLUMN id SET DEFAULT nextval('tickets_id');

CREATE VIEW sales_by_category AS
    SELECT p.category, count(*) AS lines, sum(i.quantity * i.unit_price) AS revenue
    FROM order_items i JOIN products p ON p.id = i.product_id
    GROUP BY p.category;
-- Passes on columns that the demo masks: they stay masked.
CREATE VIEW customer_contacts AS
    SELECT id, full_name, email, phone FROM customers;
-- Computes with one: touching it through the gateway is refused.
CREATE VIEW customer_labels AS
    SELECT id, full_name || ' <' || email || '>' AS label FROM customers;

GRANT USAGE ON SCHEMA public, billing TO app_ro, app_rw;
GRANT SELECT ON ALL TABLES IN SCHEMA public, billing TO app_ro, app_rw;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, billing TO app_rw;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app_rw;
COMMIT;
ANALYZE;
