-- Ways to mention masked values of customers c
email
c.email
"email"
(c).email
(c.email)
c
(c)
c.*
row(c.*)
to_jsonb(c)
email(c)
c.shout
shout(c)
(c::text)
(array_agg(c))[1].email
coalesce(email, '')
(SELECT email)
(SELECT c.email)
(SELECT c)
c IS NOT NULL
U&"em\0061il"
card
c.phone
$1 || email
