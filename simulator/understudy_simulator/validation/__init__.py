"""What Google's services accept: messages described as data, requests and answers checked against them."""
