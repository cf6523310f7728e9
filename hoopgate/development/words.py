"""Words of which the sample database is made."""

from __future__ import annotations

_FIRST = """
    Ada Aisha Alejandro Amara Anders Aneta Anouk Arjun Beatriz Bruno Carmen Chidi Chloe Clara Daan Daria Diego
    Dimitri Elena Elif Emil Emma Farah Felix Fatima Freya Giulia Grace Hana Hiro Hugo Ibrahim Ines Ingrid Isla
    Ivan Jakub Jana Jonas Joao Julia Kaito Karim Katja Kofi Lars Leila Leo Lena Lucia Luca Maja Malik Marta Mateo
    Mei Mila Mina Mohamed Nadia Nils Nina Noah Noor Olga Oliver Omar Paula Pavel Petra Priya Rafael Ravi Rosa Ruth
    Sami Sana Sara Sean Selma Sofia Stefan Sven Tariq Theo Tomas Uma Valentina Victor Wei Yara Yuki Zainab Zoe
"""
_LAST = """
    Abdi Adeyemi Almeida Andersson Bakker Banerjee Becker Bianchi Bondarenko Brown Carvalho Castillo Chen Costa
    Dahl Demir Diaz Dubois Eriksen Esposito Fernandez Fischer Garcia Gonzalez Gruber Hansen Haddad Hassan Horvat
    Ibrahim Ito Jansen Jensen Johnson Kaya Kim Kowalski Kumar Larsen Lee Lefevre Lindqvist Lopez Mbeki Meyer Moreau
    Mueller Murphy Nakamura Nguyen Nielsen Novak Nowak Okafor Olsen Ortiz Patel Pereira Petrov Popescu Quinn Rahman
    Ramos Rossi Ruiz Sato Schmidt Silva Singh Smith Sousa Svoboda Tanaka Taylor Torres Vargas Virtanen Visser Walker
    Weber Wilson Wojcik Yilmaz Young Zhang Zimmermann
"""
FIRST_NAMES = tuple(_FIRST.split())
LAST_NAMES = tuple(_LAST.split())
# City, country (ISO 3166-1), and a prefix of telephone numbers kept for fiction, short of two digits.
CITIES = (
    ("London", "GB", "+44 20 7946 09"),
    ("Leeds", "GB", "+44 113 496 09"),
    ("Edinburgh", "GB", "+44 131 496 09"),
    ("Boston", "US", "+1 617 555 01"),
    ("Chicago", "US", "+1 312 555 01"),
    ("Seattle", "US", "+1 206 555 01"),
    ("Toronto", "CA", "+1 416 555 01"),
    ("Vancouver", "CA", "+1 604 555 01"),
    ("Sydney", "AU", "+61 2 5550 00"),
    ("Melbourne", "AU", "+61 3 5550 00"),
    ("Dublin", "IE", "+353 20 910 00"),
    ("Cork", "IE", "+353 20 911 00"),
)
STREETS = (
    "Station Road", "High Street", "Mill Lane", "Church Street", "Park Avenue", "Oak Drive", "King Street",
    "Harbour View", "Garden Terrace", "Maple Street", "Bridge Road", "Orchard Way", "Market Square", "Elm Grove",
)  # fmt: skip
MAKES = ("Alder", "Birk", "Corvo", "Dune", "Ember", "Fjord", "Granit", "Halo", "Isle", "Juniper", "Kestrel", "Lumen")
PRODUCTS = (
    ("kitchen", ("Chef's Knife", "Moka Pot", "Cast Iron Pan", "Pepper Mill", "Cutting Board", "Kettle")),
    ("outdoor", ("Tent 2P", "Sleeping Bag", "Headlamp", "Trail Bottle", "Camping Stove", "Rain Jacket")),
    ("office", ("Desk Lamp", "Notebook A5", "Fountain Pen", "Monitor Arm", "Footrest", "Desk Mat")),
    ("audio", ("Bookshelf Speaker", "Headphones", "Turntable", "Field Recorder", "Microphone", "DAC")),
    ("garden", ("Pruning Shears", "Watering Can", "Seed Set", "Hose 20 m", "Raised Bed", "Bird Feeder")),
)
TICKETS = (
    ("Parcel not arrived", "Order {order} was due last week and the tracking page has not moved since."),
    ("Wrong size", "I got the wrong size in order {order}. How do I send it back?"),
    ("Charged twice", "My card was charged twice for order {order}. Please refund one of them."),
    ("Cannot log in", "The reset link says it has expired, each time. I only want to see order {order}."),
    ("Change of address", "I have moved. Can order {order} still go to the new address?"),
    ("Broken on arrival", "The box of order {order} was dented and the glass inside is in pieces."),
    ("Invoice needed", "For my books I need an invoice with my company's name for order {order}."),
    ("Delete my account", "Please remove my data once order {order} is settled."),
    ("Voucher refused", "The voucher from your newsletter does not work on order {order}."),
    ("Thank you", "Order {order} came a day early and is lovely. That is all."),
)
JOBS = ("support", "support", "support", "warehouse", "buyer", "engineer", "accountant", "manager")
